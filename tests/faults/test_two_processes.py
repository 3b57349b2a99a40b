"""A run of two processes on this machine: it computes the numbers of one, and ends soon when one is killed."""

import dataclasses
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from cyclegan_jax.checkpoints import folders
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.devices.supervision import PEER_LOST
from tests.faults.conftest import Experiment, final_bytes
from tests.faults.processes import Training

FLAGS = ("--batch_size=2", "--dtype=float64", "--steps=12", "--checkpoint_every=4")


@dataclasses.dataclass
class Pair:
    """Two processes of one run."""

    first: Training
    second: Training


def of_two() -> list[str]:
    """Flags for both of two processes, with a free port for the coordinator."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return [f"--coordinator=127.0.0.1:{free.getsockname()[1]}", "--num_processes=2"]


def start_pair(experiment: Experiment, workdir: Path, *flags: str) -> Pair:
    named = [*of_two(), *FLAGS, *flags]
    return Pair(*(experiment.start(workdir, *named, f"--process_id={index}") for index in (0, 1)))


def both_end_well(pair: Pair) -> None:
    assert pair.first.ended() == 0, pair.first.said
    assert pair.second.ended() == 0, pair.second.said
    # Process 0 logs for both.
    assert "2 CPU devices, 12 steps" in pair.first.said
    assert pair.first.step == 12
    assert "step" not in pair.second.said


def kill_and_go_on(experiment: Experiment, workdir: Path, victim: str) -> None:
    """Kill one process during training, check that the other ends with a message, and resume both."""
    pair = start_pair(experiment, workdir)
    assert pair.first.wait_for(r"^step 6/"), pair.first.said
    killed, other = (pair.first, pair.second) if victim == "first" else (pair.second, pair.first)
    sent = time.monotonic()
    killed.send(signal.SIGKILL)
    assert other.ended() == PEER_LOST, other.said
    assert time.monotonic() - sent < 60
    assert re.search(r"^error: another process of this run has ended or cannot be reached \(", other.said, re.M)
    assert "Traceback" not in other.said

    pair = start_pair(experiment, workdir)
    both_end_well(pair)
    assert "from step 4" in pair.first.said


@pytest.mark.slow
def test_two_processes_resumed_after_a_kill_equal_one(experiment: Experiment, tmp_path: Path) -> None:
    kill_and_go_on(experiment, tmp_path / "two", "second")
    training = experiment.start(tmp_path / "one", *FLAGS)
    assert training.ended() == 0, training.said
    finished = open_checkpoint(tmp_path / "one")
    one, step = finished.state(), finished.step
    two = open_checkpoint(tmp_path / "two").state()
    before = open_checkpoint(tmp_path / "two", 8).state()
    assert step == 12

    def apart(left, right) -> float:
        pairs = zip(jax.tree.leaves(left["generators"]), jax.tree.leaves(right["generators"]), strict=True)
        return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)

    assert apart(one, two) < 1e-9
    # The comparison can detect four missing steps.
    assert apart(one, before) > 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["first", "second"])
def test_a_killed_and_resumed_pair_has_the_same_bytes(experiment: Experiment, tmp_path: Path, victim) -> None:
    both_end_well(start_pair(experiment, tmp_path / "straight"))
    kill_and_go_on(experiment, tmp_path / "killed", victim)
    assert final_bytes(tmp_path / "killed") == final_bytes(tmp_path / "straight")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_one_stops_both_after_the_same_step(
    experiment: Experiment, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    workdir = tmp_path / "work"
    pair = start_pair(experiment, workdir, "--checkpoint_every=1000")
    assert pair.first.wait_for(r"^step 3/"), pair.first.said
    pair.second.send(number)
    assert (pair.first.ended(), pair.second.ended()) == (status, status), pair.first.said + pair.second.said
    stops = [
        re.findall(rf"^stopped by {number.name} after step (\d+)", one.said, re.M) for one in (pair.first, pair.second)
    ]
    assert stops[0] == stops[1]
    assert open_checkpoint(workdir).step == int(stops[0][0])


@pytest.mark.slow
def test_both_save_at_the_step_that_the_first_asks_for(experiment: Experiment, tmp_path: Path) -> None:
    """By `checkpoint_minutes` alone: were the steps different, the save would never end."""
    workdir, flags = tmp_path / "work", ("--checkpoint_every=1000", "--checkpoint_minutes=0.0005")
    pair = start_pair(experiment, workdir, *flags)
    assert pair.first.wait_for(r"^step 9/"), pair.first.said
    pair.second.send(signal.SIGKILL)
    assert pair.first.ended() == PEER_LOST
    saved = folders.steps(workdir)
    assert saved
    pair = start_pair(experiment, workdir, *flags)
    both_end_well(pair)
    assert f"from step {saved[-1]}" in pair.first.said
    assert folders.steps(workdir) == [12]


def test_a_batch_that_the_devices_cannot_share(experiment: Experiment, tmp_path: Path) -> None:
    pair = start_pair(experiment, tmp_path / "work", "--batch_size=3")
    assert pair.first.ended() == 2
    assert pair.second.ended() == 2
    assert "error: batch_size is 3, but 2 devices share it" in pair.first.said


LATE = """
import sys, time
from cyclegan_jax.cli import main
from cyclegan_jax.training import preparation
check = preparation.check_batch_size
def late(*args):
    time.sleep(4)
    check(*args)
if "--process_id=1" in sys.argv:
    preparation.check_batch_size = late
sys.exit(main.train(sys.argv[1:]))
"""


def test_a_late_process_reports_the_common_mistake(tmp_path: Path) -> None:
    config = Path(__file__).parents[2] / "configs" / "streets.py"
    flags = [f"--config={config}", f"--workdir={tmp_path}", "--batch_size=3"]
    command = [sys.executable, "-c", LATE, *flags, *of_two()]
    both = [
        subprocess.Popen([*command, f"--process_id={index}"], stderr=subprocess.PIPE, text=True) for index in (0, 1)
    ]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 2, said
        assert "error: batch_size is 3, but 2 devices share it" in said
