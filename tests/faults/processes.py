"""Training processes for tests to kill, forked from a server process that has imported everything already."""

import hashlib
import itertools
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cyclegan_jax.data import batches

ROOT = Path(__file__).parents[2]
TIMEOUT = 240.0
"""Seconds to wait for anything, on a slow and busy machine."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["cyclegan_jax.training.loop", "cyclegan_jax.cli.main", "grain"])

_numbers = itertools.count()


def _run(args: list[str], log: str, fsync: bool, xla_flags: str, pairs: str | None) -> None:
    # XLA reads its flags when JAX first uses a device, which the server process has not done.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {xla_flags}".strip()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    from cyclegan_jax.cli import main as cli

    if not fsync:
        os.fsync = lambda fd: None
    if pairs is not None:
        _record_pairs(Path(pairs))
    sys.exit(cli.main(args))


def _record_pairs(file: Path) -> None:
    """Append a line to `file` for each batch that the training takes: a hash of each of its pairs of images."""
    take = batches.TrainIterator.__next__

    def recorded(iterator: batches.TrainIterator) -> batches.Batch:
        batch = take(iterator)
        pairs = zip(batch["A"], batch["B"], strict=True)
        with file.open("a") as lines:
            lines.write(" ".join(hashlib.sha256(a.tobytes() + b.tobytes()).hexdigest() for a, b in pairs) + "\n")
        return batch

    batches.TrainIterator.__next__ = recorded  # type: ignore[method-assign, assignment]


@dataclass
class Training:
    """A training in a process of its own."""

    process: multiprocessing.process.BaseProcess
    log: Path

    @property
    def said(self) -> str:
        """Its standard output and standard error so far."""
        return self.log.read_text() if self.log.exists() else ""

    @property
    def step(self) -> int:
        """The step of its last progress line; 0 before the first."""
        steps = re.findall(r"^step ([\d,]+)/", self.said, re.MULTILINE)
        return int(steps[-1].replace(",", "")) if steps else 0

    def wait_for(self, text: str) -> bool:
        """Wait until its output matches the pattern `text`; return False if it ends before."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            alive = self.process.is_alive()
            if re.search(text, self.said, re.MULTILINE):
                return True
            if not alive:
                return False
            time.sleep(0.002)
        raise AssertionError(f"it never printed {text!r}: {self.said}")

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()` while it runs."""
        end = time.monotonic() + TIMEOUT
        while not holds():
            assert self.process.is_alive() and time.monotonic() < end, self.said
            time.sleep(0.002)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; do nothing if it has ended."""
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, number)

    def ended(self) -> int:
        """Wait for its end; return the exit status, or minus the number of the signal that killed it."""
        self.process.join(TIMEOUT)
        assert self.process.exitcode is not None, f"it did not end: {self.said}"
        return self.process.exitcode


def start(
    args: list[str],
    logs: Path,
    *,
    command: str = "train",
    fsync: bool = True,
    xla_flags: str = "",
    pairs: Path | None = None,
) -> Training:
    """Start a command.

    Args:
        args: its arguments.
        logs: the folder in which a new file gets its output.
        command: its name.
        fsync: whether Python flushes files to the disk; False is the control of simulated power failures.
        xla_flags: flags that are added to `XLA_FLAGS`.
        pairs: a file that gets a line of hashes for each batch, one for each pair of images.
    """
    log = logs / f"{next(_numbers)}.log"
    arguments = ([command, *args], str(log), fsync, xla_flags, pairs and str(pairs))
    process = _context.Process(target=_run, args=arguments, daemon=True)
    process.start()
    return Training(process, log)
