"""Writes the files of an evaluation: scores.json, scores.md, CSV, pictures and figures in `evaluation/` of a run."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cyclegan_jax.checkpoints.scores import record_scores
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import figures
from cyclegan_jax.evaluation.curves import score_curves
from cyclegan_jax.evaluation.results import Results
from cyclegan_jax.files import exists, make_folder, read_bytes, write_atomically

_TITLES: Final = {"photo_to_labels": "photo -> labels", "labels_to_photo": "labels -> photo"}


def step_folder(run: str | Path, step: int) -> Path:
    """Return the folder for the evaluation of one checkpoint: `RUN/evaluation/step_NNNNNNN`."""
    return Path(run) / "evaluation" / f"step_{step:07d}"


def read_controls(run: str | Path, step: int) -> dict[str, dict[str, float]]:
    """Read the controls of one checkpoint's scores: by record name, the value of each control.

    Empty where the checkpoint was not evaluated, or by a version of this package that did not write `controls`.

    Raises:
        UserError: the file cannot be read, or is not a file of an evaluation.
    """
    file = step_folder(run, step) / "scores.json"
    if not exists(file):
        return {}
    try:
        found = json.loads(read_bytes(file)).get("controls", {})
        return {name: {title: float(value) for title, value in row.items()} for name, row in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is not a file of an evaluation ({error}): evaluate the step again") from error


def write(run: str | Path, step: int, results: Results, settings: Mapping[str, Any]) -> Path:
    """Write `scores.json`, `scores.md`, CSV files and pictures of one checkpoint, and record its scores in the run.

    Args:
        run: the work directory of the run.
        step: the step of the checkpoint, which must be on disk.
        results: the results to write.
        settings: the settings of the evaluation, for `scores.json`.

    Returns:
        The folder of the files.

    Raises:
        UserError: a file cannot be written, or the run's own `scores.json` is damaged.
    """
    folder = step_folder(run, step)
    with _reporting_unwritable(folder):
        return _write(folder, run, step, results, settings)


@contextlib.contextmanager
def _reporting_unwritable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the results cannot be written to {folder} ({error.strerror or error}): make room, or make the folder of "
            "the run writable"
        ) from error


def _write(folder: Path, run: str | Path, step: int, results: Results, settings: Mapping[str, Any]) -> Path:
    make_folder(folder)
    for name, picture in results.pictures.items():
        images_lib.save_png(folder / name, picture)
    for name, file in results.files.items():
        write_atomically(folder / name, file)
    for key, scores in results.classes.items():
        figures.save_class_figure(folder / f"{key}_classes.png", _TITLES[key], scores)
    write_atomically(folder / "scores.md", results.markdown() + "\n")
    content = {"step": step, "settings": dict(settings), **results.to_json()}
    write_atomically(folder / "scores.json", json.dumps(content, indent=2) + "\n")
    # All at once: a killed process must not leave a checkpoint that counts as evaluated with half of its scores.
    record_scores(run, step, results.records)
    return folder


def write_curves(run: str | Path, found: Mapping[int, Results]) -> Path:
    """Write `RUN/evaluation/curves.png`, the scores of several checkpoints over the steps, and return its path."""
    path = Path(run) / "evaluation" / "curves.png"
    figures.save_curve_figure(path, score_curves(found))
    return path
