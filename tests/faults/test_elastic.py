"""A run that moves between numbers of devices and processes sees the same pairs and computes the same numbers."""

import hashlib
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from cyclegan_jax.checkpoints.opened import open_checkpoint
from tests.faults.conftest import Experiment
from tests.faults.test_two_processes import of_two

# Adam divides a gradient by its own size, and so rounding by rounding where the gradient is zero. With this epsilon it
# is nearly plain descent.
FLAGS = (
    "--batch_size=4",
    "--dtype=float64",
    "--optimizer.eps=1.0",
    "--optimizer.learning_rate=0.1",
    "--checkpoint_every=2",
    "--keep_checkpoints=9",
)


def stage(experiment: Experiment, folder: Path, last_step: int, *, devices: int, processes: int, seed: int = 0) -> None:
    """Start or resume the run in `folder` up to `last_step`, with `devices` devices in each of some processes."""
    cluster = of_two() if processes == 2 else []
    started = []
    for index in range(processes):
        pairs = folder / f"{last_step}.{index}.pairs"
        pairs.parent.mkdir(exist_ok=True)
        flags = [*FLAGS, *cluster, *([f"--process_id={index}"] if cluster else []), f"--steps={last_step}"]
        xla_flags = f"--xla_force_host_platform_device_count={devices}"
        started.append(experiment.start(folder / "work", *flags, f"--seed={seed}", xla_flags=xla_flags, pairs=pairs))
    for training in started:
        assert training.ended() == 0, training.said
    number = devices * processes
    assert f", {number} CPU device{'s' if number > 1 else ''}, {last_step} steps" in started[0].said


def batch_hashes(folder: Path) -> list[str]:
    """The hash of the global batch of each step."""
    hashes = []
    for first in sorted(folder.glob("*.0.pairs"), key=lambda file: int(file.name.split(".")[0])):
        parts = sorted(folder.glob(first.name.replace(".0.", ".*.")))
        for lines in zip(*(part.read_text().splitlines() for part in parts), strict=True):
            # In the order of the processes, their parts are the global batch.
            hashes.append(hashlib.sha256(" ".join(lines).encode()).hexdigest())
    return hashes


def largest_difference(one: Path, other: Path) -> float:
    """The largest difference of any array between the newest checkpoints of two runs."""
    states = (open_checkpoint(folder / "work").state() for folder in (one, other))
    pairs = zip(*(jax.tree.leaves(state) for state in states), strict=True)
    return max(float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max(initial=0)) for a, b in pairs)


def check_chain(experiment: Experiment, folder: Path, shapes: list[tuple[int, int]]) -> None:
    """Compare a run on one device with one that leaves it after 2 steps, for 2 steps on each (devices, processes)."""
    straight, chain, steps = folder / "straight", folder / "chain", 2 + 2 * len(shapes)
    stage(experiment, straight, steps, devices=1, processes=1)
    shutil.copytree(straight / "work" / "checkpoints" / "2", chain / "work" / "checkpoints" / "2")
    for last_step, (devices, processes) in zip(range(4, steps + 1, 2), shapes, strict=True):
        stage(experiment, chain, last_step, devices=devices, processes=processes)
    expected = batch_hashes(straight)
    assert len(set(expected)) == steps
    assert batch_hashes(chain) == expected[2:]
    assert open_checkpoint(chain / "work").step == steps
    assert largest_difference(straight, chain) < 1e-10


@pytest.mark.slow
def test_devices_1_2_equal_a_straight_run(experiment: Experiment, tmp_path: Path) -> None:
    check_chain(experiment, tmp_path, [(2, 1)])


@pytest.mark.slow
def test_devices_1_2_4_1_equal_a_straight_run(experiment: Experiment, tmp_path: Path) -> None:
    check_chain(experiment, tmp_path, [(2, 1), (4, 1), (1, 1)])


@pytest.mark.slow
def test_processes_1_2_and_2_with_2_devices_equal_one(experiment: Experiment, tmp_path: Path) -> None:
    check_chain(experiment, tmp_path, [(1, 2), (2, 2), (1, 1)])
    # The control: another order of the data has other hashes and ends elsewhere.
    stage(experiment, tmp_path / "other", 8, devices=1, processes=1, seed=1)
    assert not set(batch_hashes(tmp_path / "other")) & set(batch_hashes(tmp_path / "straight"))
    assert largest_difference(tmp_path / "straight", tmp_path / "other") > 1e-3
