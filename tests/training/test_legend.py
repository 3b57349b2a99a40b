"""The legend: every logged number has a sentence, in TensorBoard and in the documentation."""

import logging
import typing
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from cyclegan_jax.epochs import EpochLength
from cyclegan_jax.loss_config import GanLoss
from cyclegan_jax.training import legend
from cyclegan_jax.training.progress import Progress
from cyclegan_jax.training.run_files import RunFiles
from tests.conftest import tiny_config

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    ["eval/reconstruction_A/l1", "eval/photo_to_labels/class_iou_19", "eval/fid_kid_AtoB/fid", "change_AtoB"],
)
def test_scores_are_described_by_their_last_part(name: str) -> None:
    assert legend.describe(name)


def test_a_score_of_the_users_own_has_none() -> None:
    assert legend.describe("eval/mine/sharpness") == ""


def test_the_documentation_has_the_same_legend() -> None:
    page = (ROOT / "docs" / "scores.md").read_text()
    for name, text in {**legend.METRICS, **legend.SCORES}.items():
        assert f"| `{name}` | {text} |" in page, name


def test_other_losses_have_sentences_of_their_own() -> None:
    page = (ROOT / "docs" / "losses.md").read_text()
    assert set(legend.OTHER_LOSSES) == set(typing.get_args(GanLoss)) - {"lsgan"}
    for gan, sentences in legend.OTHER_LOSSES.items():
        # What says "guessing" or "fools it" with a number differs from loss to loss.
        assert set(sentences) >= {name for name, text in legend.METRICS.items() if "0 is " in text or "fools" in text}
        for name, text in sentences.items():
            assert legend.describe(name, gan) == text != legend.describe(name)
            assert f"| `{gan}` | `{name}` | {text} |" in page
        assert legend.describe("loss/cycle_A", gan) == legend.METRICS["loss/cycle_A"]


def test_tensorboard_has_descriptions_the_name_and_the_config(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = tiny_config(seed=17)
    progress = Progress(10, EpochLength(5, 1))
    with RunFiles(tmp_path / "my run", config) as files:
        progress.done(1, {"generators": 1.0, "discriminators": 0.5})
        files.log_metrics(1, {"generators": 1.0, "learning_rate": 1e-4}, progress)
        files.log_scores(1, {"reconstruction_A/l1": 0.5})
    (path,) = (tmp_path / "my run" / "tensorboard").glob("events*")
    values = [value for event in EventFileLoader(str(path)).Load() for value in event.summary.value]
    described = {value.tag: value.metadata.summary_description for value in values}
    assert described["loss/generators"] == legend.METRICS["loss/generators"]
    assert described["eval/reconstruction_A/l1"] == legend.SCORES["l1"]
    # The reader of notebooks and scripts warns of a summary without a plugin.
    with caplog.at_level(logging.WARNING, "tensorboard"):
        events = EventAccumulator(str(path)).Reload()
    assert not caplog.records
    assert [(event.step, event.value) for event in events.Scalars("loss/generators")] == [(1, 1.0)]
    (text,) = (value.tensor.string_val[0].decode() for value in values if value.tag.startswith("run"))
    assert text.startswith("**my run**, by cyclegan-jax")
    assert "| seed | 17 |" in text
