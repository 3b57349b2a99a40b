"""Signals to a process, also while it runs C code."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cyclegan_jax.training.interruption import Interruption

ROOT = Path(__file__).parents[2]
# A call into C, like XLA's compiler: Python does not run signal handlers during it.
BUSY = "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"


def process(body: str, arguments: str = "ends_process=True", began: bool = True) -> subprocess.Popen[str]:
    code = (
        "import hashlib, time\n"
        "from cyclegan_jax.training.interruption import Interruption\n"
        f"with Interruption({arguments}) as interruption:\n"
        f"    {'interruption.began()' if began else 'pass'}\n"
        "    print('ready', flush=True)\n"
        f"    {body}\n"
        "print('left', interruption.requested, flush=True)\n"
        "time.sleep(60)\n"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def finish(started: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = started.communicate(timeout=30)
    finally:
        started.kill()
    return started.returncode, out, err


def test_the_first_signal_is_recorded_and_handlers_are_restored() -> None:
    started = process("while interruption.requested is None: time.sleep(0.01)")
    started.send_signal(signal.SIGTERM)
    assert started.stdout is not None
    assert started.stdout.readline() == f"left {int(signal.SIGTERM)}\n"
    started.send_signal(signal.SIGTERM)
    status, _, err = finish(started)
    assert status == -signal.SIGTERM
    assert err.startswith("SIGTERM: saving")


def test_a_second_ctrl_c_ends_the_process_even_in_c_code() -> None:
    started = process(BUSY)
    started.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert started.poll() is None
    started.send_signal(signal.SIGINT)
    sent = time.monotonic()
    status, _, err = finish(started)
    assert status == 130
    assert time.monotonic() - sent < 10
    assert "stopped without saving" in err


def test_a_step_is_waited_for_however_long_it_takes() -> None:
    started = process(BUSY, "ends_process=True, count_seconds=0.2")
    started.send_signal(signal.SIGTERM)
    time.sleep(1.5)
    assert started.poll() is None
    started.kill()
    _, _, err = finish(started)
    said = err.splitlines()
    assert said[0] == "SIGTERM: saving after this step; press Ctrl-C again to stop without saving"
    assert said[1] == "SIGTERM: waiting for the step and the save, 0s"
    assert said[-1] == "SIGTERM: waiting for the step and the save, 1s"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_the_first_step_the_process_ends_at_once(number: signal.Signals) -> None:
    """XLA's compiler, which takes minutes, cannot be interrupted otherwise."""
    started = process(BUSY, began=False)
    started.send_signal(number)
    status, _, err = finish(started)
    assert status == 128 + number
    assert err.startswith("stopped before the first step: there is nothing to save; the same command")


def test_in_a_notebook_nothing_ends_the_process() -> None:
    """Ctrl-C before the first step, and the second one after it, raise KeyboardInterrupt."""
    inside = "    print('inside', flush=True); time.sleep(60)"
    wait = "\n    ".join(("try:", inside, "except KeyboardInterrupt:", "    print('caught', flush=True)"))
    for began in (False, True):
        started = process(wait, "", began=began)
        assert started.stdout is not None
        assert started.stdout.readline() == "inside\n"  # a signal just before the `try` would not be caught
        started.send_signal(signal.SIGINT)
        if began:
            time.sleep(0.5)
            assert started.poll() is None
            started.send_signal(signal.SIGINT)
        assert [started.stdout.readline() for _ in range(2)] == ["caught\n", f"left {int(signal.SIGINT)}\n"]
        started.kill()
        finish(started)


def test_a_second_sigterm_waits_for_the_save() -> None:
    """Schedulers may send more than one."""
    started = process("while interruption.requested is None: time.sleep(0.01)\n    time.sleep(1)")
    started.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    started.send_signal(signal.SIGTERM)
    assert started.stdout is not None
    assert started.stdout.readline() == f"left {int(signal.SIGTERM)}\n"
    started.kill()
    finish(started)


def test_handlers_are_restored_without_a_signal() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert signal.getsignal(signal.SIGINT) is not before
        assert interruption.requested is None
    assert signal.getsignal(signal.SIGINT) is before
    assert not any(thread.name == "interruption" for thread in threading.enumerate())


def test_there_is_no_effect_in_another_thread() -> None:
    found: list[object] = []

    def enter() -> None:
        with Interruption() as interruption:
            found.append((signal.getsignal(signal.SIGINT), interruption.requested))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [(before, None)]
