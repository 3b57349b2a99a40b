"""Evaluations survive kills, signals and odd files of scores; a kept checkpoint's scores are never missing."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.checkpoints import folders, scores, scores_file
from cyclegan_jax.errors import UserError
from tests.faults import processes
from tests.faults.conftest import Experiment

FEATURES = "--eval_features=tests.faults.features:slow_colours"


@pytest.fixture(scope="module")
def photos(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment's training images, with test images beside them."""
    folder = Path(shutil.copytree(experiment.folder / "photos", tmp_path_factory.mktemp("scored") / "photos"))
    rng = np.random.default_rng(1)
    for split in ("testA", "testB"):
        (folder / split).mkdir()
        for index in range(3):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / split / f"{index}.png")
    return folder


def start(experiment: Experiment, photos: Path, workdir: Path, *flags: str) -> processes.Training:
    """Start or resume a run of 10 steps that is evaluated every 5, and keeps one checkpoint."""
    common = (f"--data.dir={photos}", "--steps=10", "--eval_every=5", "--keep_checkpoints=1", FEATURES)
    return experiment.start(workdir, *common, *flags)


@pytest.fixture(scope="module")
def undisturbed(experiment: Experiment, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("undisturbed") / "work"
    training = start(experiment, photos, workdir)
    assert training.ended() == 0, training.said
    return workdir


def scored_steps(workdir: Path) -> set[int]:
    """The steps in `scores.json`, whatever the package makes of it."""
    file = workdir / "scores.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    return {int(step) for entry in found.values() for step in entry["values"]}


def kill_after_commit(training: processes.Training, workdir: Path, step: int) -> None:
    """Kill a training when a checkpoint has appeared, before its scores have."""
    training.wait_until(lambda: step in folders.steps(workdir))
    training.send(signal.SIGKILL)
    assert training.ended() == -signal.SIGKILL, training.said
    assert step in folders.steps(workdir)
    assert step not in scored_steps(workdir)


@pytest.mark.parametrize("step", [5, pytest.param(10, marks=pytest.mark.slow)])
def test_a_kill_after_the_commit_loses_no_score(
    experiment: Experiment, photos: Path, undisturbed: Path, tmp_path: Path, step: int
) -> None:
    workdir = tmp_path / "work"
    kill_after_commit(start(experiment, photos, workdir), workdir, step)
    training = start(experiment, photos, workdir)
    assert training.ended() == 0, training.said
    named = rf"step {step} \(epoch [\d.]+\)"
    assert re.search(rf"{named} was saved but not evaluated: evaluating it now\nevaluated {named}: ", training.said)
    for file in ("scores.json", f"evaluation/step_{step:07d}/scores.json", f"evaluation/step_{step:07d}/scores.md"):
        assert (workdir / file).read_bytes() == (undisturbed / file).read_bytes(), file
    assert folders.steps(workdir) == folders.steps(undisturbed)
    # It has its scores now: nothing is evaluated twice.
    training = start(experiment, photos, workdir)
    assert training.ended() == 0, training.said
    assert "evaluat" not in training.said


@pytest.mark.slow
def test_a_signal_at_an_evaluated_step_loses_no_score(experiment: Experiment, photos: Path, tmp_path: Path) -> None:
    """With `eval_every` 1 the run stops at a step that is due for an evaluation, and leaves that out."""
    workdir = tmp_path / "work"
    training = start(experiment, photos, workdir, "--eval_every=1", "--steps=100")
    assert training.wait_for(r"^evaluated step 1 "), training.said
    training.send(signal.SIGTERM)
    assert training.ended() == 143, training.said
    (stopped,) = (int(step) for step in re.findall(r"^stopped by SIGTERM after step (\d+)", training.said, re.M))
    assert stopped not in scored_steps(workdir)
    training = start(experiment, photos, workdir, "--eval_every=1", f"--steps={stopped + 1}")
    assert training.ended() == 0, training.said
    assert scored_steps(workdir) == {*range(1, stopped + 2)}


ODD = {
    "a list": b"[1, 2]",
    "half of a file": b'{"fid": {"better": "lower", "val',
    "deep nesting": b"[" * 100_000,
    "a huge integer": b'{"fid": {"better": "lower", "values": {"5": ' + b"9" * 5000 + b"}}}",
    "an infinity": b'{"fid": {"better": "lower", "values": {"5": 1e999}}}',
    "a NaN": b'{"fid": {"better": "lower", "values": {"5": NaN}}}',
    "an integer beyond float": b'{"fid": {"better": "lower", "values": {"5": 1' + b"0" * 400 + b"}}}",
    "a boolean": b'{"fid": {"better": "lower", "values": {"5": true}}}',
    "a text": b'{"fid": {"better": "lower", "values": {"5": "1.5"}}}',
    "a step that is no number": b'{"fid": {"better": "lower", "values": {"five": 1.0}}}',
    "a step in other digits": '{"fid": {"better": "lower", "values": {"\u0665": 1.0}}}'.encode(),
    "a step with a zero in front": b'{"fid": {"better": "lower", "values": {"05": 1.0}}}',
    "a step twice": b'{"fid": {"better": "lower", "values": {"5": 1.0, "5": 2.0}}}',
    "another better": b'{"fid": {"better": "more", "values": {"5": 1.0}}}',
    "no values": b'{"fid": {"better": "lower"}}',
    "a name with a line break": b'{"f\\nid": {"better": "lower", "values": {"5": 1.0}}}',
    "no UTF-8": b'{"fid\xff": {}}',
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_scores_are_set_aside_in_training(
    kind: str, undisturbed: Path, tmp_path: Path, log_lines: list[str]
) -> None:
    (tmp_path / "scores.json").write_bytes(ODD[kind])
    with pytest.raises(UserError, match=r"scores\.json is not a file of scores \(.*\): move it away, and"):
        scores.read(tmp_path)
    assert log_lines == []
    assert scores_file.read_or_set_aside(tmp_path) == {}
    assert scores_file.read_or_set_aside(tmp_path) == {}
    (warning,) = log_lines
    assert "scores.json is not a file of scores (" in warning and "\n" not in warning and len(warning) < 600
    assert (tmp_path / "scores.json.set-aside").read_bytes() == ODD[kind]
    (tmp_path / "scores.json").write_bytes(ODD[kind])
    scores_file.read_or_set_aside(tmp_path)
    assert (tmp_path / "scores.json.set-aside.2").read_bytes() == ODD[kind]


def test_a_training_continues_with_odd_scores(experiment: Experiment, photos: Path, tmp_path: Path) -> None:
    workdir = tmp_path / "work"
    training = start(experiment, photos, workdir, "--steps=5")
    assert training.ended() == 0, training.said
    odd = ODD["deep nesting"]
    (workdir / "scores.json").write_bytes(odd)
    training = start(experiment, photos, workdir)
    assert training.ended() == 0, training.said
    assert training.said.count("is not a file of scores") == 1
    assert "Traceback" not in training.said
    assert (workdir / "scores.json.set-aside").read_bytes() == odd
    assert scored_steps(workdir) == {5, 10}


WRITER = """
import sys
from cyclegan_jax.checkpoints.scores import record_score
for index in range(200):
    record_score(sys.argv[1], int(sys.argv[2]), f"metric{index}", float(index), better="lower")
"""


def test_two_writers_lose_no_score(undisturbed: Path, tmp_path: Path) -> None:
    workdir = Path(shutil.copytree(undisturbed, tmp_path / "work"))
    (workdir / "scores.json").unlink()
    present = folders.steps(workdir)
    if len(present) < 2:
        shutil.copytree(workdir / "checkpoints" / str(present[0]), workdir / "checkpoints" / "3")
    first, second = folders.steps(workdir)[:2]
    both = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(workdir), str(step)], cwd=processes.ROOT)
        for step in (first, second)
    ]
    assert [process.wait(processes.TIMEOUT) for process in both] == [0, 0]
    left = json.loads((workdir / "scores.json").read_text())
    assert sum(len(entry["values"]) for entry in left.values()) == 400


def test_the_lock_of_scores_waits_and_then_fails(tmp_path: Path) -> None:
    held = pytest.raises(UserError, match=r"another process has held .*scores\.json\.lock for 0\.1 s: stop it")
    with scores_file.locked(tmp_path), held, scores_file.locked(tmp_path, seconds=0.1):
        pass
    with scores_file.locked(tmp_path, seconds=0.1):
        pass
    (tmp_path / "scores.json.lock").unlink()
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "scores.json.lock").symlink_to("precious")
    linked = pytest.raises(UserError, match=r"the lock file .*scores\.json\.lock cannot be opened")
    with linked, scores_file.locked(tmp_path):
        pass
    assert (tmp_path / "precious").read_text() == "kept"
