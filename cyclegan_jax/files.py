"""Replacing files so that a killed process leaves the old file or the new one, never half of one."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` when the block ends.

    After an error in the block `path` is what it was before, and the temporary file is deleted.

    Args:
        path: the file to create or replace; its folder must exist.
    """
    # A hidden file in the same folder: a rename is atomic only within a file system. The process id keeps processes
    # that write the same file apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        # If the folder is gone or read-only, deleting fails as well, and would hide the error that matters.
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file through `replacing`; text as UTF-8."""
    with replacing(path) as temporary:
        if isinstance(content, str):
            temporary.write_text(content, encoding="utf-8")
        else:
            temporary.write_bytes(content)
