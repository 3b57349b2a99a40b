"""The learning rate on a plateau of an evaluation score: in the state, so that a resumed run has the same bits."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from cyclegan_jax.checkpoints import config_changes, folders, scores
from cyclegan_jax.config import OptimizerConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.periods import epoch_length, resolve
from cyclegan_jax.training import loop as training
from cyclegan_jax.training import plateau
from cyclegan_jax.training.verification import verify
from tests.conftest import tiny_config
from tests.evaluation import scenes
from tests.helpers.logs import logged
from tests.training.test_evaluation import FEATURES, states_differ


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    root = tmp_path_factory.mktemp("plateau")
    scenes.write_scenes(root / "data", 3)
    config = tiny_config(steps=7, checkpoint_every=3, keep_checkpoints=9, log_every=1, eval_every=2)
    optimizer = OptimizerConfig(schedule="plateau", plateau_patience=0, plateau_score="cycle_l1_A", learning_rate=1e-6)
    data = dataclasses.replace(config.data, dir=str(root / "data"))
    return dataclasses.replace(config, data=data, optimizer=optimizer)


def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(config: TrainConfig, tmp_path: Path) -> None:
    """At a tiny rate the score does not improve by 1%: with no patience every evaluation but the first lowers it.

    The other run ends at step 4, whose checkpoint is saved before its evaluation, and at step 5, whose evaluation the
    straight run does not have.
    """
    with logged() as lines:
        straight = training.train(config, tmp_path / "straight")
    assert straight.plateau is not None
    assert (int(straight.plateau.scores), int(straight.plateau.reductions)) == (3, 2)
    assert "cycle_l1_A has not improved by 1% in 1 evaluations: the learning rate is 2e-07 from now on" in lines
    rates = [json.loads(line) for line in (tmp_path / "straight" / "metrics.jsonl").read_text().splitlines()]
    by_step = {line["step"]: line["learning_rate"] for line in rates if "learning_rate" in line}
    assert [by_step[step] for step in range(1, 8)] == pytest.approx([1e-6] * 4 + [2e-7] * 2 + [4e-8])
    for end in (4, 5, 7):
        resumed = training.train(dataclasses.replace(config, steps=end), tmp_path / "resumed")
    assert states_differ(straight, resumed) == []
    # Both the first of these steps and one on the way were evaluated.
    assert verify(tmp_path / "straight", 2, 4).equal


def test_a_score_that_the_run_does_not_have(config: TrainConfig, tmp_path: Path, log_lines: list[str]) -> None:
    """The checkpoint is on disk before the mistake is found, and the run continues with another score."""
    wrong = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, plateau_score="fid"))
    with pytest.raises(
        UserError,
        match=r"the evaluation of step 2 has no score fid, which .* set --optimizer\.plateau_score to one of "
        r"cycle_l1_A, cycle_l1_B.* --allow_changes",
    ):
        training.train(wrong, tmp_path / "run")
    assert folders.steps(tmp_path / "run") == [2]
    state = training.train(dataclasses.replace(config, steps=3), tmp_path / "run", allow_changes=True)
    assert state.plateau is not None and int(state.plateau.scores) == 1
    # A score that is missing later, as after a failed evaluation, is passed over.
    periods = resolve(config, epoch_length(config, 3, 3))
    assert states_differ(plateau.fed(state, 4, config, periods, tmp_path / "run"), state) == []
    assert log_lines[-1].startswith("the learning-rate schedule plateau passes over step 4: it has no score cycle_l1_A")


def test_what_the_schedule_needs() -> None:
    following = OptimizerConfig(schedule="plateau")
    with pytest.raises(UserError, match=r"optimizer\.schedule is 'plateau', but eval_every is 0, .* set eval_every"):
        tiny_config(optimizer=following, eval_features=FEATURES)
    named = dataclasses.replace(following, plateau_score="cycle_l1_A")
    one, other = tiny_config(optimizer=named, eval_every=2), tiny_config(eval_every=2)
    for before, after in ((one, other), (other, one)):
        with pytest.raises(UserError, match=r"optimizer\.schedule .*plateau.*--init_from"):
            config_changes.check(before, after, "runs/x", allow_changes=True)
    # Other features have other scores, on which the rate would depend; without the schedule they do not matter.
    features: dict[str, Any] = {"eval_features": FEATURES}
    with pytest.raises(UserError, match=r"eval_features .*add --allow_changes"):
        config_changes.check(one, dataclasses.replace(one, **features), "runs/x")
    config_changes.check(other, dataclasses.replace(other, **features), "runs/x")


def test_the_score_that_decides() -> None:
    def entry(better: str, **values: float) -> dict[str, object]:
        return {"better": better, "values": {step.removeprefix("at"): value for step, value in values.items()}}

    found = {
        "cycle_l1_A": entry("lower", at1=0.5),
        "fid_A[x]": entry("lower", at1=10.0, at2=8.0),
        "fid_B[x]": entry("lower", at1=20.0, at2=6.0),
        "kid_A[x]": entry("lower", at3=1.0),
    }
    assert scores.score_at(found, 1) == ("fid_A[x] + fid_B[x]", 15.0, "lower")
    assert scores.score_at(found, 1, "cycle_l1_A") == ("cycle_l1_A", 0.5, "lower")
    # One evaluation with other settings does not count.
    assert scores.score_at(found | {"fid_A[x][50 images]": entry("lower", at1=99.0)}, 1) == scores.score_at(found, 1)
    # Other steps have the FID: the KID of this one is not to be compared with it.
    assert scores.score_at(found, 3) is None
    assert scores.score_at(found, 1, "fid") is None
    found["photo_to_labels_class_iou"] = entry("higher", at1=0.4)
    assert scores.score_at(found, 1) == ("photo_to_labels_class_iou", 0.4, "higher")
