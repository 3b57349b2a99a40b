"""Full disks: the run ends with a message, and resumes from its last checkpoint when there is space again."""

import contextlib
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan_jax.checkpoints import folders, on_disk
from cyclegan_jax.checkpoints import health as checkpoint_health
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.errors import UserError
from cyclegan_jax.training.workdir import WorkdirLock
from tests.faults.conftest import Experiment, final_bytes
from tests.faults.saved_runs import CONFIG, at_step

# Threads of Orbax and TensorStore that are still writing when the first one fails raise errors of their own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of three megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs the rights of root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk of `folder`, and return the file that fills it."""
    ballast = folder / "ballast"
    with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    return ballast


def check_ended_and_resumes(experiment: Experiment, workdir: Path, said: str) -> None:
    (sentence,) = (line for line in said.splitlines() if line.startswith("error: "))
    assert "kept" in sentence
    folder = folders.directory(workdir)
    assert sorted(path.name for path in folder.iterdir()) == sorted(map(str, folders.steps_in(folder)))
    assert all(health.damage is None for health in checkpoint_health.examine(workdir))
    training = experiment.start(workdir)
    assert training.ended() == 0, training.said
    assert "continuing" in training.said
    assert final_bytes(workdir) == final_bytes(experiment.straight)


def test_a_disk_that_fills_up(experiment: Experiment, small_disk: Path) -> None:
    workdir = small_disk / "work"
    training = experiment.start(workdir)
    assert training.wait_for(r"^step 12/"), training.said
    ballast = fill(small_disk)
    assert training.ended() == 2
    ballast.unlink()
    check_ended_and_resumes(experiment, workdir, training.said)


@pytest.mark.slow
def test_files_that_may_not_grow(experiment: Experiment, tmp_path: Path) -> None:
    """A limit on file size stands for a quota: the next checkpoint does not fit."""
    workdir = tmp_path / "work"
    training = experiment.start(workdir)
    assert training.wait_for(r"^step 12/"), training.said
    assert training.process.pid is not None
    limit = 8192
    resource.prlimit(training.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    assert training.ended() == 2
    check_ended_and_resumes(experiment, workdir, training.said)


def test_a_save_to_a_full_disk_leaves_the_one_before(small_disk: Path) -> None:
    workdir = small_disk / "work"
    with CheckpointWriter(workdir, CONFIG) as opened:
        opened.save(at_step(4), {"pairs": 4})
        opened.wait()
        ballast = fill(small_disk)
        opened.save(at_step(8), {"pairs": 8})
        with pytest.raises(
            on_disk.SaveError, match=r"step 8 could not be written .*No space left.*; the checkpoint of step 4 is kept"
        ):
            opened.wait()
        assert [path.name for path in folders.directory(workdir).iterdir()] == ["4"]
        ballast.unlink()
        opened.save(at_step(8), {"pairs": 8})
    assert folders.steps(workdir) == [4, 8]


def test_a_read_only_disk(small_disk: Path) -> None:
    workdir = small_disk / "work"
    with CheckpointWriter(workdir, CONFIG) as opened:
        opened.save(at_step(4), {"pairs": 4})
        opened.wait()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        with pytest.raises(on_disk.SaveError, match=r"Read-only file system.*; the checkpoint of step 4 is kept"):
            opened.save(at_step(8), {"pairs": 8})
            opened.wait()
    with pytest.raises(UserError, match=r"work directory .* cannot be written \(Read-only file system\)"):
        WorkdirLock(workdir).__enter__()
    # The checkpoint can still be read.
    assert [health.words for health in checkpoint_health.examine(workdir)] == ["ok"]


@contextlib.contextmanager
def mounted_ext4(image: Path, folder: Path) -> Iterator[None]:
    """Make an ext4 file system of 24 MB in the file `image`, mounted on `folder`; skip where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs the rights of root")
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(24 * 2**20)
    for command in (["mkfs.ext4", "-q", "-m", "0", str(image)], ["mount", "-o", "loop", str(image), str(folder)]):
        if shutil.which(command[0]) is None:
            pytest.skip(f"a file system in a file needs {command[0]}")
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"{command[0]} is not possible here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def repair(image: Path, folder: Path) -> None:
    """Unmount, repair and mount again, as a user does after the disk is well again."""
    subprocess.run(["umount", str(folder)], check=True)
    # Its status is 1 where it has repaired something.
    assert subprocess.run(["fsck.ext4", "-y", str(image)], check=False, capture_output=True).returncode in (0, 1)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)


@pytest.mark.slow
def test_a_file_system_that_turns_read_only(experiment: Experiment, tmp_path: Path) -> None:
    """ext4 does so after an error of its disk, whatever files are open; the journal is cut at that moment."""
    image, disk = tmp_path / "image", tmp_path / "disk"
    with mounted_ext4(image, disk):
        workdir = disk / "work"
        training = experiment.start(workdir)
        assert training.wait_for(r"^step 12/"), training.said
        subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True)
        assert training.ended() == 2, training.said
        assert "Read-only file system" in training.said
        assert "Traceback" not in training.said
        repair(image, disk)
        check_ended_and_resumes(experiment, workdir, training.said)


@pytest.mark.slow
def test_a_disk_that_fails_below_the_file_system(experiment: Experiment, small_disk: Path, tmp_path: Path) -> None:
    """A file system in a sparse file: it has free blocks, but its writes fail, since the disk below it is full."""
    image, disk = small_disk / "image", tmp_path / "ext4"
    with mounted_ext4(image, disk):
        workdir = disk / "work"
        training = experiment.start(workdir)
        assert training.wait_for(r"^step 12/"), training.said
        ballast = fill(small_disk)
        assert training.ended() == 2, training.said
        assert re.search(r"^error: .*(Input/output|Read-only|No space)", training.said, re.M), training.said
        assert "Traceback" not in training.said
        ballast.unlink()
        repair(image, disk)
        check_ended_and_resumes(experiment, workdir, training.said)
