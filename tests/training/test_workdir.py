"""The lock of a work directory, and disks that take no more."""

import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.training.workdir import WorkdirLock, reporting_unwritable


def test_a_second_run_fails_until_the_first_has_ended(tmp_path: Path) -> None:
    workdir = tmp_path / "runs" / "new"
    with WorkdirLock(workdir):
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        with pytest.raises(UserError, match=f"the work directory {workdir} is in use by {holder}: "):
            WorkdirLock(workdir).__enter__()
    with WorkdirLock(workdir):
        pass


def test_a_left_over_lock_file_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("process 1 on another, of which this text is longer than the next holder's own")
    with WorkdirLock(tmp_path):
        assert (tmp_path / "run.lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}"


def test_a_run_is_protected_when_its_lock_file_is_deleted(tmp_path: Path) -> None:
    with WorkdirLock(tmp_path):
        (tmp_path / "run.lock").unlink()
        with pytest.raises(UserError, match="is in use by another process"):
            WorkdirLock(tmp_path).__enter__()
        (tmp_path / "run.lock").write_text("made anew")
        with pytest.raises(UserError, match="is in use by made anew"):
            WorkdirLock(tmp_path).__enter__()


def test_the_lock_file_alone_holds_where_folders_have_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock
    deleted = False

    def files_only(descriptor: int, operation: int) -> None:
        nonlocal deleted
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(descriptor, operation)
        if not deleted:  # by another process, between opening and locking
            (tmp_path / "run.lock").unlink()
            deleted = True

    monkeypatch.setattr(fcntl, "flock", files_only)
    with WorkdirLock(tmp_path):
        assert deleted
        assert "process" in (tmp_path / "run.lock").read_text()
        with pytest.raises(UserError, match=f"is in use by process {os.getpid()}"):
            WorkdirLock(tmp_path).__enter__()


@pytest.mark.parametrize("kind", ["link", "dangling link", "FIFO", "folder"])
def test_a_lock_file_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    precious, lock = tmp_path / "precious", tmp_path / "run" / "run.lock"
    precious.write_text("precious")
    lock.parent.mkdir()
    if kind == "FIFO":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(precious if kind == "link" else tmp_path / "made")
    program = """
import sys
from cyclegan_jax.training.workdir import WorkdirLock
try:
    WorkdirLock(sys.argv[1]).__enter__()
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""
    command = [sys.executable, "-c", program, str(lock.parent)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == f"UserError: {lock} is a link, or something else that is no file: delete it\n"
    assert precious.read_text() == "precious"
    assert not (tmp_path / "made").exists()


def test_a_work_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written \(File exists\): choose another with --workdir"):
        WorkdirLock(tmp_path / "file").__enter__()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_becomes_a_message(tmp_path: Path, code: int) -> None:
    message = rf"can no longer be written \({os.strerror(code)}\); its checkpoints are kept"
    with pytest.raises(UserError, match=message), reporting_unwritable(tmp_path):
        raise OSError(code, os.strerror(code))


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), reporting_unwritable(tmp_path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
