"""SIGTERM and Ctrl-C to training processes."""

import re
import signal
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Experiment, final_bytes


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_saves_the_step_and_the_run_resumes(experiment: Experiment, tmp_path: Path, number, status) -> None:
    workdir = tmp_path / "work"
    training = experiment.start(workdir, "--checkpoint_every=1000")
    assert training.wait_for(r"^step 7/"), training.said
    sent = time.monotonic()
    training.send(number)
    assert training.ended() == status, training.said
    assert time.monotonic() - sent < 30
    (step,) = re.findall(rf"^stopped by {number.name} after step (\d+), which is saved; the same", training.said, re.M)
    assert "Traceback" not in training.said
    page = (workdir / "index.html").read_text()
    assert f"Stopped by a signal; the same command resumes it: step {step} of" in page

    training = experiment.start(workdir)
    assert training.ended() == 0, training.said
    assert re.search(rf"from step {step} \(epoch [\d.]+\), with checkpoint_every 1000 -> 5", training.said)
    assert final_bytes(workdir) == final_bytes(experiment.straight)


def test_two_runs_in_one_work_directory(experiment: Experiment, tmp_path: Path) -> None:
    workdir = tmp_path / "work"
    first = experiment.start(workdir, "--steps=100000", "--log_every=1")
    assert first.wait_for(r"^step 3/"), first.said
    second = experiment.start(workdir)
    assert second.ended() == 2
    sentence = rf"error: the work directory \S+ is in use by process {first.process.pid} on \S+: .*\n"
    assert re.fullmatch(sentence, second.said.splitlines(keepends=True)[-1])
    assert first.process.is_alive()
    first.send(signal.SIGKILL)
    first.ended()
    third = experiment.start(workdir, "--steps=3")
    # The operating system has released the killed process's lock.
    assert third.ended() == 0, third.said
