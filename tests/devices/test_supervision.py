"""A supervised process: its exit status, and the message for each way in which it can end."""

import subprocess
import sys

import jax
import pytest

from cyclegan_jax.devices import supervision


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
