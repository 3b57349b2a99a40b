"""Early stopping: by the score that chooses the best checkpoint, and at the same step however often a run is killed."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from cyclegan_jax.checkpoints import folders
from cyclegan_jax.config import OptimizerConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.training import loop as training
from cyclegan_jax.training.early_stopping import first_best
from tests.conftest import tiny_config
from tests.evaluation import scenes
from tests.helpers.logs import logged

FEATURES = "tests.training.test_early_stopping:no_matter_what"


def no_matter_what(images: np.ndarray) -> np.ndarray:
    """Features [N, 2] that are the same for all images: no evaluation is better than the first."""
    return np.random.default_rng(0).normal(size=(len(images), 2))


def test_an_equal_score_is_not_better() -> None:
    assert first_best({2: 3.0, 4: 1.0, 6: 1.0, 8: 2.0}, "lower") == 4
    assert first_best({2: 3.0, 4: 1.0, 6: 3.0}, "higher") == 2


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """An evaluation every two steps, none better than the first, and an end after two of them."""
    data = tmp_path_factory.mktemp("scenes")
    scenes.write_scenes(data, 3)
    config = tiny_config(
        steps=20, ema_decay=0.5, eval_every=2, eval_features=FEATURES, stop_after=2, sample_minutes=0.0
    )
    return dataclasses.replace(config, data=dataclasses.replace(config.data, dir=str(data)))


@pytest.fixture(scope="module")
def stopped(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run that has stopped early, and its log."""
    workdir = tmp_path_factory.mktemp("stopped") / "run"
    with logged() as lines:
        training.train(config, workdir)
    return workdir, lines


REASON = "2 evaluations without a better fid_A"


def test_the_run_stops_and_says_why(stopped: tuple[Path, list[str]]) -> None:
    workdir, lines = stopped
    assert folders.steps(workdir)[-1] == 6
    (line,) = [line for line in lines if line.startswith("stopping early")]
    assert line.startswith(f"stopping early at step 6 (epoch 2): {REASON}")
    assert "; the best checkpoint is step 2 (epoch 0.6) with " in line
    assert any(line.startswith("done: 6 steps in ") for line in lines)


def test_the_same_command_does_not_train_on(
    stopped: tuple[Path, list[str]], config: TrainConfig, log_lines: list[str]
) -> None:
    workdir, _ = stopped
    assert int(training.train(config, workdir).step) == 6
    assert log_lines[-2].startswith(f"{workdir} has stopped early at step 6 (epoch 2): {REASON}")
    assert log_lines[-1] == "to train longer, raise --stop_after, or set it to 0 to train until the last step"
    assert folders.steps(workdir)[-1] == 6


def test_a_killed_run_stops_at_the_same_step(
    stopped: tuple[Path, list[str]], config: TrainConfig, tmp_path: Path
) -> None:
    """Killed after five steps, whose evaluation is not one of the run's own; and before the evaluation of the sixth."""
    again = tmp_path / "again"
    training.train(dataclasses.replace(config, steps=5), again)
    assert int(training.train(config, again).step) == 6
    killed = Path(shutil.copytree(stopped[0], tmp_path / "killed"))
    scores = json.loads((killed / "scores.json").read_text())
    for entry in scores.values():
        del entry["values"]["6"]
    (killed / "scores.json").write_text(json.dumps(scores))
    with logged() as lines:
        assert int(training.train(config, killed).step) == 6
    assert any(line.startswith("evaluated step 6") for line in lines)
    assert any("has stopped early at step 6" in line for line in lines)


def test_more_patience_trains_on(stopped: tuple[Path, list[str]], config: TrainConfig, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(stopped[0], tmp_path / "run"))
    # Scores of other settings, of which one evaluation was made by hand, do not count.
    scores = json.loads((copied / "scores.json").read_text())
    scores["fid_A[other]"] = {"better": "lower", "values": {"6": 0.0}}
    (copied / "scores.json").write_text(json.dumps(scores))
    assert int(training.train(dataclasses.replace(config, stop_after=3), copied).step) == 8


def test_a_score_is_needed(config: TrainConfig, tmp_path: Path) -> None:
    # Test images of the same names would be pairs, whose scores choose.
    data = Path(shutil.copytree(str(config.data.dir), tmp_path / "data"))
    for file in list((data / "testB").iterdir()):
        file.rename(file.with_name(f"other_{file.name}"))
    unpaired = dataclasses.replace(config, eval_features=None, data=dataclasses.replace(config.data, dir=str(data)))
    with pytest.raises(UserError, match="stop_after is 2, but these evaluations have no score that chooses the best"):
        training.train(unpaired, tmp_path / "run")
    following = dataclasses.replace(unpaired, stop_after=0, optimizer=OptimizerConfig(schedule="plateau"))
    with pytest.raises(UserError, match=r"optimizer\.schedule is plateau, but these evaluations have no score that"):
        training.train(following, tmp_path / "run")
    assert not (tmp_path / "run").exists()
