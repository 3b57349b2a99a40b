"""Why a checkpoint cannot be read: damage, a training that deletes it meanwhile, or a refusal of the system."""

import errno
import os
from pathlib import Path

from cyclegan_jax import files
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import UnreadableError

_DAMAGE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
"""The system's errors of a file that is missing or not a file; all others say nothing about its content."""
_REFUSALS = (errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
"""Those others that are looked for in libraries' texts."""
_WRITING = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG)


class DamagedError(UserError):
    """A checkpoint does not hold what was saved.

    Attributes:
        path: the folder of the checkpoint.
        what: which array or file is wrong.
    """

    def __init__(self, path: Path, what: str, advice: str = ""):
        """Describe the damage in one sentence; `advice` is appended to it."""
        super().__init__(f"the checkpoint {path} is damaged ({what}){advice}")
        self.path = path
        self.what = what


class DeletedError(UserError):
    """A checkpoint was deleted while it was being read; a training deletes old ones."""

    def __init__(self, path: Path):
        """Describe the deletion in one sentence."""
        super().__init__(
            f"the checkpoint {path} was deleted while it was being read: the training that writes to this run deletes "
            "old checkpoints; use the newest one, or train with a larger --keep_checkpoints"
        )


def damaged_or_deleted(path: Path, what: str) -> UserError:
    """Return the error of a checkpoint in which `what` is wrong, or that it was deleted if it is no longer there."""
    return DamagedError(path, what) if files.exists(path) else DeletedError(path)


def of_file(path: Path, file: Path, error: OSError) -> UserError:
    """Return the error of a checkpoint of which one file could not be read."""
    if error.errno in _DAMAGE:
        return damaged_or_deleted(path, f"{file.relative_to(path)}: {error.strerror}")
    return UnreadableError(file, error)


def of_arrays(path: Path, error: Exception) -> UserError:
    """Return the error of a checkpoint whose arrays a library could not read."""
    refused = _first_refused(path)
    if refused is not None:
        return refused
    text = str(error)
    # The longest path first: a folder's path is a part of the paths of its files.
    present = sorted(_files_below(path), key=lambda file: -len(str(file)))
    named = next((file for file in present if str(file) in text), None)
    for code in _REFUSALS:
        if os.strerror(code) in text:
            return UnreadableError(named or path, OSError(code, os.strerror(code)))
    if named is not None:
        return damaged_or_deleted(path, f"{named.relative_to(path)} cannot be read")
    return damaged_or_deleted(path, f"its arrays cannot be read: {reason(error)}")


def reason(error: BaseException) -> str:
    """An error of writing or reading in a few words: the operating system's, even where a library wrapped them."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # TensorStore raises ValueError with the system's words somewhere in a long text.
    for code in (*_WRITING, *_REFUSALS):
        if os.strerror(code) in str(error):
            return os.strerror(code)
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


def _files_below(folder: Path) -> list[Path]:
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def _first_refused(folder: Path) -> UnreadableError | None:
    """Read everything below a folder again, and return the system's first refusal.

    Libraries wrap the system's errors, or take a refusal for an absent file: their texts are not enough.
    """
    try:
        for entry in files.entries(folder):
            if files.is_dir(entry):
                refused = _first_refused(entry)
                if refused is not None:
                    return refused
            elif files.is_file(entry):
                _read_to_the_end(entry)
    except UnreadableError as error:
        return error
    return None


def _read_to_the_end(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            while opened.read(1 << 24):
                pass
    except OSError as error:
        if error.errno not in _DAMAGE:
            raise UnreadableError(file, error) from error
