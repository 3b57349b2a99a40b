"""`cyclegan-jax compare`: what differs, what was reached, and where a mistake is the user's."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax import config_dict
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import LossConfig, TrainConfig
from cyclegan_jax.evaluation.results import Results
from cyclegan_jax.evaluation.score_table import Column, ScoreTable
from tests.conftest import tiny_config


def make_run(path: Path, config: TrainConfig, iou: dict[int, float], l1: dict[int, float]) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config_dict.to_dict(config)))
    found = {
        "photo_to_labels_class_iou": {"better": "higher", "values": {str(k): v for k, v in iou.items()}},
        "cycle_l1_A": {"better": "lower", "values": {str(k): v for k, v in l1.items()}},
    }
    (path / "scores.json").write_text(json.dumps({name: entry for name, entry in found.items() if entry["values"]}))
    lines = [json.dumps({"step": step, "loss/cycle_A": 1 / step, "loss/generators": 2.0}) for step in range(1, 60)]
    for step, value in l1.items():
        columns = (Column("l1", "L1", "lower", record="cycle_l1_A"), Column("psnr", "PSNR", "higher"))
        rows = {"A -> B -> A": (value, 20.0), "mean colour": (value + 0.125, 10.0), "shuffled": (None, 5.0)}
        table = ScoreTable("reconstruction_A", "reconstruction of A", columns, rows, details={"images": {"l1": 4}})
        (path / "evaluation" / f"step_{step:07d}").mkdir(parents=True)
        results = Results((table,), {}, {}, {"A": 4, "B": 4}, (), "")
        (path / "evaluation" / f"step_{step:07d}" / "scores.json").write_text(json.dumps(results.to_json()))
    (path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 60, "loss/cyc')
    return path


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    plain = make_run(tmp_path / "one" / "run", tiny_config(), {20: 0.2, 40: 0.3}, {20: 0.5, 40: 0.25})
    other = tiny_config(loss=LossConfig(identity_weight=0.5), seed=3)
    return [plain, make_run(tmp_path / "two" / "run", other, {20: 0.35, 40: 0.1}, {})]


def test_one_table_and_one_figure(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare", *map(str, runs)]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [row for row in rows if row[0] != "---"] == [
        ["", "one/run", "two/run"],
        ["steps", "59", "59"],
        ["loss.identity_weight", "0", "0.5"],
        ["seed", "0", "3"],
        ["cycle_l1_A", "**0.25 at 40**", ""],
        # Of the evaluation of step 40; a copied score has no evaluation, and so no controls.
        ["control: mean colour", "0.375", ""],
        ["photo_to_labels_class_iou", "0.3 at 40", "**0.35 at 20**"],
    ]
    assert last == "figure: comparison.png"
    with Image.open("comparison.png") as picture:
        pixels = np.asarray(picture)
    # Both runs' colours are drawn.
    for colour in ((31, 119, 180), (255, 127, 14)):
        assert (np.abs(pixels.astype(int) - colour).max(axis=-1) < 3).sum() > 100


def test_mistakes_are_one_sentence(runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("[")
    odd = make_run(tmp_path / "odd", tiny_config(), {}, {20: 0.5})
    (odd / "evaluation" / "step_0000020" / "scores.json").write_text('{"controls": [1]}')
    cases = {
        (str(runs[0]),): "compare needs at least two runs: give their work directories",
        (str(runs[0]), f"{runs[0]}/../run"): "is the same run as",
        (str(runs[0]), str(empty)): "empty is not the work directory of a run: it has no config.json",
        (str(runs[0]), str(broken)): "broken/config.json cannot be read",
        (str(runs[0]), str(odd)): "step_0000020/scores.json is not a file of an evaluation (",
        (*map(str, runs), "--output", str(empty / "x" / "f.png" / "\0")): "error:",
        (
            *map(str, runs),
            "--nothing",
        ): "unrecognized arguments: --nothing: cyclegan-jax compare --help lists the flags",
    }
    for args, sentence in cases.items():
        assert cli.main(["compare", *args]) == 2, args
        said = capsys.readouterr().err
        assert sentence in said and said.count("\n") == 1, (args, said)
