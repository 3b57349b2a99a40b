"""One run at a time in a work directory."""

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from cyclegan_jax.errors import UserError


class WorkdirLock:
    """Holds `workdir/run.lock`, with the process and the host in it, for as long as the context lasts.

    The lock is the kernel's: it goes with the process, however that ends, and a lock file that is left means nothing.
    """

    def __init__(self, workdir: str | Path):
        """For the run in `workdir`, which is made if need be."""
        self._workdir = Path(workdir)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            UserError: another process holds it, or the work directory cannot be written.
        """
        import fcntl  # not on every system

        path = self._workdir / "run.lock"
        try:
            self._workdir.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(
                f"the work directory {self._workdir} cannot be written ({error.strerror}): give another by --workdir"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise UserError(
                f"the work directory {self._workdir} is in use by {holder}: wait for it, stop it, or give another by "
                "--workdir"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise UserError(
                f"the work directory {self._workdir} cannot be locked ({error.strerror}): give another by --workdir"
            ) from error
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go; the file stays, since another process may be waiting at it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
