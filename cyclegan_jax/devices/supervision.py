"""One process of a multi-process run and its supervisor: turns the loss of another process into one clear message.

When one process of a run ends, JAX aborts the others, immediately or after the heartbeat's timeout, wherever they are
and with a stack trace. Nothing inside the aborted process can catch that. So the training runs in a child process, and
its parent reports what happened.
"""

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Final, TypeVar

from cyclegan_jax.errors import UserError

PEER_LOST: Final = 75
"""Exit status of a process that ends because another one did: EX_TEMPFAIL of `sysexits.h`, so schedulers may retry."""

STOPS: Final = (signal.SIGTERM, signal.SIGINT)
"""The signals by which users and schedulers stop a run."""

T = TypeVar("T")


class PeerLostError(UserError):
    """Another process of the run has ended, or can no longer be reached."""

    def __init__(self, reason: str):
        """Build the message around `reason`, such as the first line of JAX's error."""
        super().__init__(
            f"another process of this run has ended or cannot be reached ({reason}): start all of them again with the "
            "same commands, and the run resumes from its last checkpoint"
        )


def raising_peer_lost(run: Callable[[], T]) -> T:
    """Call `run`, and translate JAX's communication errors.

    Raises:
        PeerLostError: the communication with another process failed.
    """
    import jax

    try:
        return run()
    except jax.errors.JaxRuntimeError as error:
        # JAX has one class for all errors of a program: in a run of several processes only a lack of memory is known
        # not to be about the others.
        if jax.process_count() == 1 or "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise PeerLostError(first_line(error)) from error


def supervised(run: Callable[[], int]) -> int:
    """Call `run` in a child process, and return its exit status.

    If JAX or the system killed the child, the parent prints an error message. If the parent is killed, the child ends
    too. Call this before anything starts a thread: the child is forked. SIGTERM and SIGINT are passed on to the child.
    A terminal sends Ctrl-C to both, so that the child receives it twice within milliseconds, which counts as once.
    """
    reading, writing = os.pipe()
    # A signal to both must not end this process before its handlers are there.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        os.close(writing)
        threading.Thread(target=_exit_with_parent, args=(reading,), daemon=True).start()
        _run_as_child(run)
    os.close(reading)
    for number in STOPS:
        signal.signal(number, lambda number, frame: _pass_on(number, child))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    _, status = os.waitpid(child, 0)
    os.close(writing)
    return _report(os.waitstatus_to_exitcode(status))


def _pass_on(number: int, child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _run_as_child(run: Callable[[], int]) -> None:
    # Until the training handles it, Ctrl-C ends the child at once: Python's own handler would wait for the end of a
    # call into C, such as the minutes in which JAX waits for the other processes, and would raise twice.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    status = 1
    try:
        status = run()
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # After a failure JAX's exit handlers would wait in vain for the other processes, which learn of this end only when
    # the process is gone.
    if status:
        os._exit(status)
    sys.exit(status)


def _report(code: int) -> int:
    """Turn the child's exit code, negative for a signal, into an exit status, with a message for a signal."""
    # XLA's client aborts the process when the coordinator reports a lost peer.
    if code == -signal.SIGABRT:
        print(f"error: {PeerLostError('see the lines from JAX above')}", file=sys.stderr, flush=True)
        return PEER_LOST
    if -code in STOPS:
        print("stopped", file=sys.stderr, flush=True)
        return 128 - code
    if code < 0:
        name = signal.Signals(-code).name
        print(f"error: {name} ended this process; the system log may say why", file=sys.stderr, flush=True)
        return 128 - code
    return code


def _exit_with_parent(reading: int) -> None:
    """Exit as soon as the parent is gone; nobody writes to the pipe, so the read returns only then."""
    os.read(reading, 1)
    os._exit(PEER_LOST)


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, at most 200 characters."""
    return (str(error).splitlines() or [""])[0][:200]
