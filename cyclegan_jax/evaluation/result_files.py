"""The files of an evaluation, `evaluation/step_NNNNNNN/` of a run, and the comparison of several checkpoints."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cyclegan_jax.checkpoints import run as checkpoints
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import pictures
from cyclegan_jax.evaluation.evaluator import Results
from cyclegan_jax.evaluation.tables import Better, decimal, markdown
from cyclegan_jax.files import write_atomically

_TITLES: Final = {"photo_to_labels": "photo -> labels", "labels_to_photo": "labels -> photo"}


def write(run: str | Path, step: int, results: Results, settings: Mapping[str, Any]) -> Path:
    """Write `scores.json`, `scores.md` and the pictures of one checkpoint, and note what it is the best by.

    Args:
        run: the work directory of the run.
        step: which checkpoint; it is on disk.
        results: what was found.
        settings: what was asked for, for `scores.json`.

    Returns:
        Their folder.

    Raises:
        UserError: a file cannot be written, or the run's own `scores.json` is not one.
    """
    folder = Path(run) / "evaluation" / f"step_{step:07d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made ({error}): make the run's folder writable") from error
    for name, picture in results.pictures.items():
        images_lib.save_png(folder / name, picture)
    for key, evaluation in results.classes.items():
        pictures.save_classes(folder / f"{key}_classes.png", _TITLES[key], evaluation)
    write_atomically(folder / "scores.md", results.markdown() + "\n")
    content = {"step": step, "settings": dict(settings), **results.to_json()}
    write_atomically(folder / "scores.json", json.dumps(content, indent=2) + "\n")
    for name, (value, better) in results.records.items():
        checkpoints.mark_best(run, step, name, value, better=better)
    return folder


def curves(found: Mapping[int, Results]) -> list[pictures.Curve]:
    """Each score over the steps, with its controls and its best step, of which a tie takes the later."""
    made = []
    newest = found[max(found)]
    for table in newest.tables:
        for place, column in enumerate(table.columns):
            name = f"{table.key}/{column.name}"
            values = {step: results.scores[name] for step, results in found.items() if name in results.scores}
            if not values or column.better is None:
                continue
            controls = {
                row: value
                for row, cells in list(table.rows.items())[1:]
                # The shuffled score is of the step's own outputs.
                if row != "shuffled" and (value := cells[place]) is not None
            }
            made.append(
                pictures.Curve(f"{table.title}: {column.title}", values, _best(values, column.better), controls)
            )
    return made


def comparison(found: Mapping[int, Results]) -> str:
    """A Markdown table of the scores of several steps; an asterisk marks the best by each."""
    steps = sorted(found)
    rows = []
    for curve in curves(found):
        marks = {step: "*" if step == curve.best else " " for step in steps}
        digits = 5 if "KID" in curve.title or "kernel" in curve.title else 4
        rows.append([curve.title, *(f"{decimal(curve.values.get(step), digits)}{marks[step]}" for step in steps)])
    return markdown(["score", *(f"step {step:,}" for step in steps)], rows) + "\n\n* the best of these by this score"


def _best(values: Mapping[int, float], better: Better) -> int:
    sign = 1 if better == "higher" else -1
    return max(values, key=lambda step: (sign * values[step], step))
