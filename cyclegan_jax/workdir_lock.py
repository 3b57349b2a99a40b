"""One run at a time in a work directory."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from cyclegan_jax.errors import UserError


@contextlib.contextmanager
def held(workdir: Path) -> Iterator[None]:
    """Hold the work directory; the system lets go of it when the process ends, however it ends.

    Raises:
        UserError: another run holds it, or it cannot be written to.
    """
    path = workdir / ".lock"
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise UserError(
            f"the work directory {workdir} cannot be written ({error}): give another by --workdir"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "another process"
            raise UserError(
                f"the work directory {workdir} is in use by {owner}: wait for it, or give another by --workdir"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
