"""Files that a command does not read: one line for the log, and where they are many, a file that names all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cyclegan_jax.console import one_line
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import write_atomically

NAMED_AT_MOST: Final = 10
"""Files that the log names one by one; `write` names more than these in a file."""
FILE_NAME: Final = "skipped.txt"
_NAMED_PER_REASON: Final = 3
"""Paths that `left_out_line` names for each reason."""


def left_out_line(left_out: Mapping[Path, str]) -> str | None:
    """Return a line such as `2 files were left out: .heic is not read (a.heic, b.heic)`, or None for no file.

    Args:
        left_out: the reason by path.
    """
    if not left_out:
        return None
    by_reason: dict[str, list[Path]] = {}
    for path in sorted(left_out):
        by_reason.setdefault(left_out[path], []).append(path)
    noun = "file or folder" if any("folder" in reason for reason in by_reason) else "file"
    several = f"{len(left_out):,} {noun.replace('file', 'files').replace('folder', 'folders')} were"
    parts = (f"{reason} ({_first(paths)})" for reason, paths in by_reason.items())
    return f"{f'1 {noun} was' if len(left_out) == 1 else several} left out: {'; '.join(parts)}"


def messages(left_out: Mapping[Path, str]) -> list[str]:
    """Return one message per path, for `write`."""
    return [f"{path}: {reason}" for path, reason in sorted(left_out.items())]


def write(folder: Path, lines: Sequence[str]) -> Path | None:
    """Write `skipped.txt` in a folder, one line per file, if there are more than the log names; return its path.

    Raises:
        UserError: it cannot be written.
    """
    if len(lines) <= NAMED_AT_MOST:
        return None
    path = folder / FILE_NAME
    # A name that is no valid UTF-8 keeps its bytes, so that a script can find the file.
    content = "".join(f"{one_line(line)}\n" for line in lines).encode("utf-8", "surrogateescape")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise UserError(
            f"{path}, the list of skipped files, cannot be written ({error.strerror}): make {folder} writable"
        ) from error
    return path


def _first(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:_NAMED_PER_REASON])) + (", ..." if len(paths) > _NAMED_PER_REASON else "")
