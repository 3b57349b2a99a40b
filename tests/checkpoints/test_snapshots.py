"""Snapshots: the generators alone, loaded like checkpoints by their step, never deleted, never resumed from."""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from cyclegan_jax import load_discriminator, load_generator
from cyclegan_jax.checkpoints import folders, health, scores
from cyclegan_jax.checkpoints.fine_tuning import start_from
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.checkpoints.restore import restore_newest
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.exit_status import DAMAGED
from cyclegan_jax.errors import UserError
from tests.faults.damages import flip_array
from tests.faults.saved_runs import CONFIG, at_step

POSITION = {"images_A": 4, "images_B": 3}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with snapshots of steps 4, 8 and 12, and a checkpoint of step 12."""
    workdir = tmp_path_factory.mktemp("saved") / "run"
    with CheckpointWriter(workdir, CONFIG) as writer:
        for step in (4, 8, 12):
            writer.save_snapshot(at_step(step), {"pairs": step, **POSITION})
        writer.save(at_step(12), {"pairs": 12, **POSITION})
    return workdir


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(saved, tmp_path / "run"))


def same(one: object, other: object) -> bool:
    return all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def test_a_snapshot_is_loaded_by_its_step(run: Path) -> None:
    expected = at_step(8)
    assert expected.ema is not None
    assert same(load_generator(run, "BtoA", 8).params, expected.ema["BtoA"])
    assert same(load_generator(run, "BtoA", 8, ema=False).params, expected.generators["BtoA"])
    assert load_generator(run, "BtoA", "epoch:2").named == "step 8 (epoch 2)"
    assert load_generator(run / "snapshots" / "4").step == 4
    copied = Path(shutil.copytree(run / "snapshots" / "4", run.parent / "elsewhere"))
    assert load_generator(copied).step == 4
    assert set(open_checkpoint(run, 8).state()) == {"generators", "ema"}


def test_a_checkpoint_comes_before_a_snapshot_of_its_step(run: Path) -> None:
    assert not open_checkpoint(run).is_snapshot
    assert not open_checkpoint(run, 12).is_snapshot
    assert open_checkpoint(run / "snapshots" / "12").is_snapshot


def test_a_snapshot_can_be_the_best(run: Path) -> None:
    for step, value in ((8, 1.0), (12, 2.0)):
        scores.record_score(run, step, "fid_B", value, better="lower")
    assert open_checkpoint(run, "best").step == 8


def test_a_snapshot_has_no_discriminators(run: Path) -> None:
    with pytest.raises(UserError, match=r"snapshots/8 is a snapshot, which has no discriminators: name a step with"):
        load_discriminator(run, "A", 8)


def test_a_snapshot_is_much_smaller(run: Path) -> None:
    """No optimizers, discriminators or pools: 4 bytes for each weight of the generators and of their average."""
    arrays = open_checkpoint(run, 8).metadata["arrays"]
    assert {name.split(".")[0] for name in arrays} == {"generators", "ema"}
    whole = open_checkpoint(run, 12).metadata["arrays"]
    numbers = [sum(int(np.prod(entry["shape"])) for entry in found.values()) for found in (arrays, whole)]
    assert numbers[0] < numbers[1] / 2


def test_snapshots_are_never_deleted(run: Path) -> None:
    with CheckpointWriter(run, CONFIG) as writer:
        for step in range(13, 18):
            writer.save(at_step(step), {"pairs": step, **POSITION})
        writer.save_snapshot(at_step(16), {"pairs": 16, **POSITION})
    assert folders.steps(run) == [15, 16, 17]
    assert folders.snapshot_steps(run) == [4, 8, 12, 16]


def test_a_snapshot_that_is_made_again_sets_the_first_aside(run: Path) -> None:
    """A killed run makes the steps after its last checkpoint again."""
    with CheckpointWriter(run, CONFIG) as writer:
        writer.save_snapshot(at_step(8), {"pairs": 8, **POSITION})
    assert sorted(path.name for path in (run / "snapshots").iterdir()) == ["12", "4", "8", "8.set-aside"]
    assert folders.snapshot_steps(run) == [4, 8, 12]


def test_what_a_kill_left_unfinished_is_removed(run: Path) -> None:
    (run / "snapshots" / "16.unfinished").mkdir()
    with CheckpointWriter(run, CONFIG):
        pass
    assert folders.snapshot_steps(run) == [4, 8, 12]
    assert not (run / "snapshots" / "16.unfinished").exists()


def test_no_run_resumes_from_a_snapshot(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(UserError) as error:
        restore_newest(run, CONFIG, at_step(0))
    assert str(error.value) == (
        f"{run} has no checkpoint to resume from, only snapshots of the generators (steps 4, 8, 12): start a new run "
        f"in another --workdir, with --init_from={run} --init_step=12"
    )
    with pytest.raises(UserError, match=r"has no checkpoints, but snapshots .*: name one by its step \(4, 8, 12\)"):
        load_generator(run)
    assert load_generator(run, step=4).step == 4


def test_a_snapshot_among_the_checkpoints_is_refused(run: Path) -> None:
    shutil.move(run / "checkpoints" / "12", run / "moved")
    shutil.move(run / "snapshots" / "8", run / "checkpoints" / "8")
    with pytest.raises(
        UserError, match=r"checkpoints/8 is a snapshot .* no run can resume: move it back to snapshots/"
    ):
        restore_newest(run, CONFIG, at_step(0))


def test_a_new_run_starts_from_a_snapshot(run: Path, log_lines: list[str]) -> None:
    begun = start_from(run, at_step(0), "epoch:2")
    assert same(begun.generators, at_step(8).generators)
    assert same(begun.ema, at_step(8).ema)
    assert same(begun.discriminators, at_step(0).discriminators)
    assert log_lines[0].startswith(f"starting from the weights of {run} at step 8 (epoch 2): ")
    assert "new: discriminators.A" in log_lines[0]


def test_damage_to_a_snapshot_is_found(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert cli.main(["checkpoints", "--run", str(run)]) == 0
    heading, *rows, note = capsys.readouterr().out.splitlines()
    assert heading.split() == ["step", "epoch", "size", "saved", "health"]
    assert [(row.split()[:2], row.partition("ok")[2]) for row in rows] == [
        (["4", "1"], ", snapshot"),
        (["8", "2"], ", snapshot"),
        (["12", "3"], ""),
        (["12", "3"], ", snapshot"),
    ]
    assert note == "snapshots hold the generators alone: a training resumes from a checkpoint"
    flip_array(run / "snapshots" / "8")
    assert cli.main(["checkpoints", "--run", str(run)]) == DAMAGED
    with pytest.raises(UserError, match=r"snapshots/8 is damaged .* name another step \(4, 12\)"):
        open_checkpoint(run, 8).state()
    assert [entry.damage is None for entry in health.examine(run)] == [True, False, True, True]
