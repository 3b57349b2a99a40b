"""The work directory of a run: one run at a time, `config.json`, and a clear error when it cannot be written."""

import contextlib
import errno
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cyclegan_jax import config_dict, files
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import make_folder, write_atomically

_DISK_ERRORS: Final = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EIO)
_PLACE_ERRORS: Final = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP)
"""The errors of a file that may not be written, or whose place another kind of file takes."""


class WorkdirLock:
    """A context manager that holds the lock `run.lock` of a work directory, so that two runs do not share it.

    It is a lock of the operating system, which releases it when the process ends, however it ends. A left-over file
    therefore locks nothing; its text, the process and host, is for the error message only.
    """

    def __init__(self, workdir: str | Path):
        """Prepare the lock of `workdir`, which is made when the lock is taken."""
        self._workdir = Path(workdir)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            UserError: another process holds it, or the work directory cannot be written.
        """
        import fcntl  # does not exist on Windows

        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise UserError(
                f"the work directory {self._workdir} is in use by {holder}: wait for it, stop it, or choose another "
                "with --workdir"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise UserError(
                f"the work directory {self._workdir} cannot be locked ({error.strerror}): choose another with --workdir"
            ) from error
        self._descriptor = descriptor
        return self

    def _open(self) -> int:
        with files.naming("--workdir"):
            files.exists(self._workdir)  # raises for a path that no folder can be made at
        try:
            make_folder(self._workdir)
            return os.open(self._workdir / "run.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(
                f"the work directory {self._workdir} cannot be written ({error.strerror}): choose another with "
                "--workdir"
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        # The file stays: if it were deleted, a process that has it open and one that makes it anew could both lock.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def reporting_unwritable(workdir: Path) -> Iterator[None]:
    """Turn a full or read-only disk, or a file of the work directory that cannot be written, into a message.

    Raises:
        UserError: a write failed because the disk takes no more, or the file's place does not.
    """
    try:
        yield
    except OSError as error:
        # A rename has two names, the second of which is the one that the user knows.
        place = error.filename2 or error.filename
        if error.errno in _PLACE_ERRORS and place is not None and Path(place).is_relative_to(workdir):
            raise UserError(
                f"{place} cannot be written ({error.strerror}): move it away or make it writable, and run the same "
                "command again"
            ) from error
        if error.errno not in _DISK_ERRORS:
            raise
        raise UserError(
            f"the work directory {workdir} can no longer be written ({error.strerror}); its checkpoints are kept. Free "
            "some space or make it writable, and run the same command again"
        ) from error


def write_config(config: TrainConfig, workdir: Path) -> None:
    """Write `config.json` for people to read. Nothing reads it back: the checkpoints hold the config that counts."""
    write_atomically(workdir / "config.json", json.dumps(config_dict.to_dict(config), indent=2) + "\n")
