"""The lock of a work directory, and disks that take no more."""

import errno
import os
import socket
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
