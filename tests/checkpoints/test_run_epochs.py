"""Choosing a checkpoint by the epoch that it ends, and runs that do not say how long an epoch is."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cyclegan_jax.checkpoints import run_epochs
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.errors import UserError
from tests.faults.damages import flip_array
from tests.faults.saved_runs import CONFIG, at_step


def save(workdir: Path, position: Callable[[int], dict[str, Any]]) -> Path:
    with CheckpointWriter(workdir, CONFIG) as writer:
        for step in (4, 6, 8):
            writer.save(at_step(step), position(step))
    return workdir


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images in the larger domain: steps 4 and 8 end the epochs 1 and 2."""
    return save(tmp_path_factory.mktemp("saved"), lambda step: {"pairs": step, "images_A": 3, "images_B": 4})


def test_the_step_that_ends_an_epoch_is_opened(run: Path) -> None:
    assert open_checkpoint(run, "epoch:1").step == 4
    assert open_checkpoint(run, "epoch:1.5").step == 6
    assert open_checkpoint(run, "epoch:2").named == "step 8 (epoch 2)"


def test_an_epoch_without_a_checkpoint_is_one_sentence(run: Path) -> None:
    with pytest.raises(UserError) as error:
        open_checkpoint(run, "epoch:3")
    assert str(error.value) == (
        f"{run} has no checkpoint of the end of epoch 3, which is step 12; it has step 4 (epoch 1), step 6 (epoch "
        "1.5), step 8 (epoch 2)"
    )


@pytest.mark.parametrize("step", ["newest", "epoch", "epoch:", "epoch:-1", "8"])
def test_another_text_is_one_sentence(run: Path, step: str) -> None:
    with pytest.raises(UserError) as error:
        open_checkpoint(run, step)
    need = "a step, such as 400, the end of an epoch, such as epoch:20, or best"
    assert str(error.value) == f"step is {step!r}, but it must be {need}"


def test_a_folder_and_an_epoch_exclude_each_other(run: Path) -> None:
    with pytest.raises(UserError, match=r"4 is the checkpoint of step 4, but step is epoch:1: leave one of them out"):
        open_checkpoint(run / "checkpoints" / "4", "epoch:1")


def test_a_run_of_an_early_version_has_steps_alone(tmp_path: Path) -> None:
    """Its position in the data has no numbers of images."""
    run = save(tmp_path, lambda step: {"pairs": step})
    assert open_checkpoint(run).named == "step 8"
    with pytest.raises(UserError) as error:
        open_checkpoint(run, "epoch:1")
    assert str(error.value) == (
        f"step is epoch:1, but the checkpoints of {run} do not say how many images an epoch has, since an early "
        "version wrote them: give a step (4, 6, 8)"
    )


def test_damage_to_the_newest_does_not_hide_the_epochs(run: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(run, tmp_path / "run"))
    (copied / "checkpoints" / "8" / "_CHECKPOINT_METADATA").write_text("{")
    flip_array(copied / "checkpoints" / "6")
    assert open_checkpoint(copied, "epoch:1").step == 4
    length = run_epochs.of_run(copied)
    assert length is not None and length.images == 4
