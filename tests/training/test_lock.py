"""Two runs in one work directory."""

import os
import socket

import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.training.lock import WorkdirLock


def test_the_second_is_refused_by_name_and_let_in_afterwards(tmp_path):
    workdir = tmp_path / "runs" / "new"
    with WorkdirLock(workdir):
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        with pytest.raises(UserError, match=f"the work directory {workdir} is in use by {holder}: "):
            WorkdirLock(workdir).__enter__()
    with WorkdirLock(workdir):
        pass


def test_a_lock_file_that_was_left_means_nothing(tmp_path):
    (tmp_path / "run.lock").write_text("process 1 on another, of which this text is longer than the next holder's own")
    with WorkdirLock(tmp_path):
        assert (tmp_path / "run.lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}"


def test_a_work_directory_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written \(File exists\): give another by --workdir"):
        WorkdirLock(tmp_path / "file").__enter__()
