"""A supervised process: its exit status, and the message for each way in which it can end."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import jax
import pytest

from cyclegan_jax.devices import supervision
from tests.training.test_interruption import BUSY


def test_in_one_process_an_error_stays_what_it_is() -> None:
    def fails() -> None:
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug of ours")

    with pytest.raises(jax.errors.JaxRuntimeError):
        supervision.raising_peer_lost(fails)


@pytest.mark.parametrize(
    ("ends", "status", "message"),
    [
        ("return 0", 0, ""),
        ("return 2", 2, ""),
        ("os.abort()", supervision.PEER_LOST, "error: another process of this run has ended or cannot be reached"),
        ("os.kill(os.getpid(), 9)", 137, "error: SIGKILL ended this process"),
        ("os.kill(os.getpid(), 15)", 143, "stopped"),
        ("1 / 0", 1, "ZeroDivisionError"),
    ],
)
def test_every_end_of_the_child_has_a_status_and_a_message(ends: str, status: int, message: str) -> None:
    program = f"""
import os, sys
from cyclegan_jax.devices import supervision

def run():
    {ends}

sys.exit(supervision.supervised(run))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == status
    assert message in ended.stderr
    assert bool(message) == bool(ended.stderr)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("to_both", [False, True])
def test_a_signal_reaches_the_child_and_counts_once(number: int, status: int, to_both: bool) -> None:
    """As from `kill` to the parent, or as a terminal sends Ctrl-C to both."""
    program = """
import sys, time
from cyclegan_jax.devices import supervision
from cyclegan_jax.training.interruption import Interruption, exit_status

def run():
    with Interruption(ends_process=True) as interruption:
        interruption.began()
        print("ready", flush=True)
        while interruption.requested is None:
            time.sleep(0.01)
        time.sleep(1)  # while it saves
    print("saved", flush=True)
    return exit_status(interruption.requested)

sys.exit(supervision.supervised(run))
"""
    command = [sys.executable, "-c", program]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    (os.killpg if to_both else os.kill)(started.pid, number)
    try:
        out, err = started.communicate(timeout=30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
    assert (started.returncode, out) == (status, "saved\n"), err
    assert err.startswith(f"{signal.Signals(number).name}: saving")
    assert "stopped without saving" not in err


def test_ctrl_c_ends_a_child_that_is_in_c_code() -> None:
    program = f"""
import hashlib, sys
from cyclegan_jax.devices import supervision
print("ready", flush=True)
sys.exit(supervision.supervised(lambda: {BUSY}))
"""
    started = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    time.sleep(1)
    started.send_signal(signal.SIGINT)
    try:
        _, err = started.communicate(timeout=30)
    finally:
        started.kill()
    assert (started.returncode, err) == (130, "stopped\n")
