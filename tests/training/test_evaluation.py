"""Evaluations during training: they do not change it, log and write scores, and keep the best checkpoints."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cyclegan_jax.checkpoints import config_changes, folders, scores
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.evaluate_run import evaluate_run
from cyclegan_jax.evaluation.evaluator import Evaluator, Settings
from cyclegan_jax.state import TrainState
from cyclegan_jax.training import loop as training
from cyclegan_jax.training.evaluation import TrainingEvaluation
from tests.conftest import tiny_config
from tests.evaluation import scenes
from tests.helpers.logs import logged

FEATURES = "tests.evaluation.scenes:mean_colours"


Run = tuple[Path, TrainConfig, TrainState, list[str]]
"""The work directory of a run, its config, its last state, and its log lines."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of six steps with evaluations: its work directory, its config, its last state and its log lines."""
    root = tmp_path_factory.mktemp("evaluated")
    scenes.write_scenes(root / "data", 3)
    # Its step is the program of other tests, which is compiled once for all.
    config = tiny_config(steps=6, checkpoint_every=5, keep_checkpoints=1, ema_decay=0.5)
    data = dataclasses.replace(config.data, dir=str(root / "data"), labels="A")
    config = dataclasses.replace(config, data=data, eval_every=2, eval_features=FEATURES)
    with logged() as lines:
        state = training.train(config, root / "run")
    return root / "run", config, state, lines


def states_differ(first: TrainState, second: TrainState) -> list[str]:
    pairs = zip(jax.tree.leaves_with_path(first), jax.tree.leaves(second), strict=True)
    return [jax.tree_util.keystr(path) for (path, one), other in pairs if not np.array_equal(one, other)]


def test_the_state_is_that_of_a_run_without_evaluations(run: Run, tmp_path: Path) -> None:
    _, config, state, _ = run
    plain: TrainConfig = dataclasses.replace(config, eval_every=0, eval_features=None)
    assert states_differ(training.train(plain, tmp_path / "plain"), state) == []
    assert config_changes.check(plain, config, tmp_path), "a run may begin and end to be evaluated"


def test_scores_are_those_of_the_command(run: Run) -> None:
    """Both evaluate the moving average of the weights."""
    workdir, _, _, lines = run
    step = folders.steps(workdir)[-1]
    assert step == 6
    file = workdir / "evaluation" / "step_0000006" / "scores.json"
    during = json.loads(file.read_text())
    evaluate_run(workdir, Settings(features=FEATURES))
    after = json.loads(file.read_text())
    assert {**after, "settings": None} == {**during, "settings": None}
    logged_lines = [line for line in lines if line.startswith("evaluated step")]
    assert [line.split(":")[0] for line in logged_lines] == [
        "evaluated step 2 (epoch 0.6)",
        "evaluated step 4 (epoch 1.3)",
        "evaluated step 6 (epoch 2)",
    ]
    assert f"fid_B[{FEATURES}] " in logged_lines[0]
    assert "cycle_l1_A" in logged_lines[0] and "(best so far)" in logged_lines[0]


def test_tensorboard_has_the_scores(run: Run) -> None:
    workdir, _, _, _ = run
    events = EventAccumulator(str(workdir / "tensorboard")).Reload()
    assert {"eval/reconstruction_A/l1", "eval/photo_to_labels/class_iou", "eval/distance_to_B/fid"} <= set(
        events.Tags()["scalars"]
    )
    values = {event.step: event.value for event in events.Scalars("eval/reconstruction_A/l1")}
    recorded = scores.read(workdir)["cycle_l1_A"]["values"]
    assert values == pytest.approx({int(step): value for step, value in recorded.items()}, rel=1e-6)
    assert sorted(values) == [2, 4, 6]


def test_evaluated_steps_are_saved_and_the_best_are_kept(run: Run) -> None:
    workdir, _, _, _ = run
    present = folders.steps(workdir)
    # Of 2, 4, 5 and 6 only the newest would stay.
    assert set(present) == {6, *scores.best_steps(workdir, [2, 4, 5, 6]).values()}


def test_nothing_stays_on_the_device(run: Run) -> None:
    _, config, state, _ = run
    evaluator = Evaluator(config, Settings(features=FEATURES), open_dataset(config.data))
    evaluator.evaluate(state.generators)
    before = len(jax.live_arrays())
    for _ in range(2):
        evaluator.evaluate(state.generators)
    assert len(jax.live_arrays()) == before


def test_a_failed_evaluation_does_not_end_the_training(run: Run, tmp_path: Path, log_lines: list[str]) -> None:
    """Nothing is there to record the scores of."""
    _, config, state, _ = run
    evaluate = TrainingEvaluation(config, open_dataset(config.data), tmp_path)
    assert evaluate(6, state.generators) == {}
    (warning,) = log_lines
    assert warning.startswith("the evaluation of step 6 failed, and the training continues: ")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (
            "tests.evaluation.scenes:broken",
            r"the features \S+ returned float64 of shape \(\) for 3 images, but they must be numbers \[N, D\], with "
            "one D for images of every size",
        ),
        (
            "tests.faults.features:raising",
            r"the function \S+:raising raised KeyError: 'no layer\\nof this name' at \S+features\.py, line \d+: "
            "correct it",
        ),
        (
            "tests.faults.features:leaving",
            r"the function \S+:leaving raised SystemExit: 3 at \S+features\.py, line \d+: correct it",
        ),
        ("tests.faults.features:not_numbers", r"the features \S+ returned 6 numbers that are not finite .*"),
        ("tests.faults.features:ragged", r"the features \S+ returned list, which is not an array \(.*\), but .*"),
        ("tests.faults.features:of_no_width", r"the features \S+ returned float64 of shape \(3, 0\) for 3 images, .*"),
    ],
)
def test_features_that_fail_leave_the_other_scores(
    run: Run, tmp_path: Path, log_lines: list[str], function: str, sentence: str
) -> None:
    workdir, config, state, _ = run
    copied = Path(shutil.copytree(workdir, tmp_path / "run"))
    before = scores.read(copied)["cycle_l1_A"]["values"]["6"]
    broken = dataclasses.replace(config, eval_features=function)
    evaluate = TrainingEvaluation(broken, open_dataset(config.data), copied)
    assert state.ema is not None
    found = evaluate(6, state.ema)
    assert "reconstruction_A/l1" in found and not any("fid" in name for name in found)
    assert scores.read(copied)["cycle_l1_A"]["values"]["6"] == before
    warning, evaluated = log_lines
    opening = "step 6 is evaluated without FID and KID, and the training continues: "
    assert re.fullmatch(opening + sentence, warning), warning
    assert evaluated.startswith("evaluated step 6: ")
    with pytest.raises(UserError, match=sentence):
        evaluate_run(copied, Settings(features=function))


def test_missing_features_are_reported_before_the_first_step(run: Run, tmp_path: Path) -> None:
    _, config, _, _ = run
    nowhere = dataclasses.replace(config, eval_features="nothing_of_this_name:f")
    with pytest.raises(
        UserError, match="eval_every is 2, but the run cannot be evaluated: --eval_features is 'nothing"
    ):
        training.train(nowhere, tmp_path / "run")
    for name in ("trainA", "trainB"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).symlink_to(Path(str(config.data.dir)) / name)
    data = dataclasses.replace(config.data, dir=str(tmp_path / "data"), labels=None)
    with pytest.raises(UserError, match=r"eval_every is 2, .* no test images of domain A"):
        training.train(dataclasses.replace(config, data=data), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
    with pytest.raises(UserError, match="eval_images is 1, but it must be at least 2"):
        dataclasses.replace(config, eval_images=1)
