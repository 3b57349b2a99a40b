"""Reading as another user: tests of permissions that hold where the tests run as root."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def not_the_superuser(folder: Path | None = None) -> Iterator[None]:
    """Read as a user who owns nothing, if the tests run as root, who may read everything.

    Args:
        folder: opened to all users before, with those above it: pytest's own are closed to others.
    """
    user = os.geteuid()
    if user == 0:
        for closed in (folder, *folder.parents) if folder else ():
            if closed.stat().st_mode & 0o055 != 0o055:
                closed.chmod(0o755)
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
