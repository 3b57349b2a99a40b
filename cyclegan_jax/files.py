"""The file system: questions whose answer is never a guess, and writes that survive a kill and a power failure.

`Path.exists`, `is_file` and `is_dir` answer False, or raise, for what may not be read. The functions here answer False
only where nothing is there; everything else that prevents an answer is a `UserError` with the path and the reason.
"""

import contextlib
import errno
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""The errors of a path at which there is nothing; the last is that of links in a circle, which lead to nothing."""
_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS)
"""The errors of a file system that cannot flush a folder; some network file systems cannot."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UnreadableError(UserError):
    """Something is there, or may be there, but the system does not let this process read it.

    Attributes:
        path: what cannot be read.
    """

    def __init__(self, path: str | Path, error: OSError | ValueError | RuntimeError):
        """Put the system's reason into one sentence."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).rstrip(".")
        advice = ": check the permissions of it and of the folders above it" if _is_denied(error) else ""
        super().__init__(f"{path} cannot be read ({reason}){advice}")
        self.path = Path(path)


def exists(path: str | Path) -> bool:
    """Whether something is at `path`, links followed; a link to nothing is not there.

    Raises:
        UnreadableError: the system does not answer (permissions, an I/O error, a name that is too long).
    """
    return _mode(path) is not None


def is_file(path: str | Path) -> bool:
    """Whether a regular file is at `path`, links followed: no folder, FIFO, socket or device.

    Raises:
        UnreadableError: as for `exists`.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_dir(path: str | Path) -> bool:
    """Whether a folder is at `path`, links followed.

    Raises:
        UnreadableError: as for `exists`.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def entries(folder: str | Path) -> list[Path]:
    """List a folder, hidden entries included, in the order of their names; nothing where there is no folder.

    Raises:
        UnreadableError: the folder cannot be listed.
    """
    try:
        return sorted(Path(folder).iterdir())
    except OSError as error:
        if error.errno in _ABSENT:
            return []
        raise UnreadableError(folder, error) from error
    except ValueError as error:  # a null character in the path
        raise UnreadableError(folder, error) from error


def expand(path: str | Path) -> Path:
    """Replace a leading `~` or `~name` by that user's home folder.

    Raises:
        UnreadableError: there is no such user, or no home folder is known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UnreadableError(path, error) from error


def read_bytes(path: str | Path) -> bytes:
    """Read a whole regular file, links followed.

    Raises:
        UnreadableError: nothing is there, the system does not let this process read it, or it is no regular file: to
            read a FIFO waits for a writer, perhaps for ever, and a device such as /dev/zero has no end.
    """
    try:
        _check_regular(os.stat(path).st_mode)  # noqa: PTH116 (before opening, which alone can act on a device)
        # Something else may be there by now: opening a FIFO without O_NONBLOCK would wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor, not a path)
            _check_regular(os.fstat(descriptor).st_mode)
            return file.read()
    except (OSError, ValueError) as error:
        raise UnreadableError(path, error) from error


@contextlib.contextmanager
def alone_in(folder: str | Path) -> Iterator[bool]:
    """Hold a lock on a folder, and wait for other processes that hold it; a lock file is not needed.

    The kernel releases the lock when a process ends, however it ends.

    Yields:
        Whether the lock is held: some network file systems, Windows, and stores such as gs:// have no such locks.
    """
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        held = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.info(f"waiting for another process that prepares data in {folder}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            held = False
        yield held
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` when the block ends, and is on the disk by then.

    After an error in the block `path` is what it was before, and the temporary file is deleted. After a kill or a power
    failure `path` is the old file or the new one, never half of one.

    Args:
        path: the file to create or replace; its folder must exist.
    """
    # A hidden file in the same folder: a rename is atomic only within a file system. It is created exclusively, under a
    # name that nobody can guess: in a folder that others may write, a link placed there would be written through.
    temporary = path.with_name(f".{secrets.token_hex(8)}.partial")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield temporary
        # Without this the rename can reach the disk before the content, and a power failure leaves an empty file.
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        # If the folder is gone or read-only, deleting fails as well, and would hide the error that matters.
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file through `replacing`; text as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def sync(path: Path) -> None:
    """Return when a file's content, or a folder's list of entries, is on the disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """`sync` a folder and everything below it: a folder after what it holds."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(parent, name))
        sync(Path(parent))


def _mode(path: str | Path) -> int | None:
    """The type and permission bits of what is at `path`, or None where nothing is."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 (the module's one place that asks)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise UnreadableError(path, error) from error
    except ValueError as error:  # a null character in the path
        raise UnreadableError(path, error) from error


def _check_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ValueError(f"it is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file")


def _is_denied(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM)
