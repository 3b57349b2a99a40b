"""Simulated power failures: a file system in a file, and a copy of what had reached that file at one moment.

Writes stay in the kernel's memory until something flushes them, and only what reaches the file survives: exactly what a
disk would hold after the power was cut. `commit=300` keeps the kernel from flushing by itself during a test.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.processes import TIMEOUT, Training

_MEGABYTES = 64


@dataclass(frozen=True)
class Disk:
    """A mounted ext4 file system.

    Attributes:
        image: the file that stands for the disk.
        root: where it is mounted.
    """

    image: Path
    root: Path


@contextlib.contextmanager
def new_disk(folder: Path) -> Iterator[Disk]:
    """Make an empty disk and mount it; `folder` is made for it.

    Skips the test where the system does not allow that.
    """
    folder.mkdir()
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(_MEGABYTES << 20)
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("a disk in a file needs the rights of root and mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    with _mounted(image, folder / "root") as disk:
        yield disk


@contextlib.contextmanager
def after_failure(copy: Path) -> Iterator[Disk]:
    """Mount a copy that `fail` has made; the file system repairs itself from its journal."""
    with _mounted(copy, copy.with_name(f"{copy.name}.root")) as disk:
        yield disk


@contextlib.contextmanager
def stopped(training: Training) -> Iterator[None]:
    """Let none of the process's threads run during the block."""
    training.send(signal.SIGSTOP)
    end = time.monotonic() + TIMEOUT
    while not _all_threads_are_stopped(training):
        assert time.monotonic() < end, "a thread does not stop"
        time.sleep(0.001)
    try:
        yield
    finally:
        training.send(signal.SIGCONT)


def fail(disk: Disk, copy: Path) -> Path:
    """Copy what the disk holds now, while every process that writes to it is `stopped`; flushes nothing."""
    return Path(shutil.copyfile(disk.image, copy))


@contextlib.contextmanager
def _mounted(image: Path, root: Path) -> Iterator[Disk]:
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "ext4", "-o", "loop,commit=300", str(image), str(root)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"this system, maybe a container, mounts no loop devices: {mounted.stderr.strip()}")
    try:
        yield Disk(image, root)
    finally:
        # A process that has just been killed may hold it for a moment. Unmounting also frees the loop device.
        for options in ((), (), (), ("--lazy",)):
            if subprocess.run(["umount", *options, str(root)], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.5)


def _all_threads_are_stopped(training: Training) -> bool:
    stats = Path(f"/proc/{training.process.pid}/task").glob("*/stat")
    # The state follows the name of the command, which is in parentheses.
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats)
