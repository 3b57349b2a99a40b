"""The file system: questions whose answer is never a guess, and writes that survive a kill and a power failure.

`Path.exists`, `is_file` and `is_dir` answer False, or raise, for what may not be read. The functions here answer False
only where nothing is there; everything else that prevents an answer is a `UserError` with the path and the reason.
"""

import contextlib
import errno
import itertools
import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""The errors of a path at which there is nothing; the last is that of links in a circle, which lead to nothing."""
_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS)
"""The errors of a file system that cannot flush a folder; some network file systems cannot."""
_SYNC_THREADS = 8
"""Files flushed at the same time: the system then writes them together, several times faster than one by one."""

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
        error: the system's error.
        flag: the flag or config field that holds the path, or None.
    """

    def __init__(self, path: str | Path, error: OSError | ValueError | RuntimeError, flag: str | None = None):
        """Put the system's reason into one sentence.

        Args:
            path: what cannot be read.
            error: the system's error.
            flag: the flag or config field that holds the path, or a folder above it, if it is known.
        """
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).rstrip(".")
        advice = ": check the permissions of it and of the folders above it" if _is_denied(error) else ""
        subject = f"{flag}: {path}" if flag else f"{path}"
        super().__init__(f"{subject} cannot be read ({reason}){advice}")
        self.path = Path(path)
        self.error = error
        self.flag = flag


@contextlib.contextmanager
def naming(flag: str) -> Iterator[None]:
    """Add the flag or config field that holds the path to an `UnreadableError` of the block."""
    try:
        yield
    except UnreadableError as error:
        if error.flag is not None:  # an inner block has added its own
            raise
        raise UnreadableError(error.path, error.error, flag) from error.error


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


def size(path: str | Path) -> int:
    """Return the size in bytes of what is at `path`, links followed.

    Raises:
        UnreadableError: as for `exists`, or nothing is there.
    """
    return _status(path).st_size


def check_readable(path: str | Path) -> None:
    """Return if the first byte of a file can be read, for libraries that do not report why they cannot read one.

    Raises:
        UnreadableError: it cannot.
    """
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        raise UnreadableError(path, error) from error


def identity(path: str | Path) -> tuple[int, int]:
    """Return the device and inode of what is at `path`, links followed: two paths to one file or folder share them.

    Raises:
        UnreadableError: as for `exists`, or nothing is there.
    """
    found = _status(path)
    return found.st_dev, found.st_ino


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
        UnreadableError: as for `opened`.
    """
    with opened(path) as file:
        return file.read()


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[BinaryIO]:
    """Open a regular file to read its bytes, links followed.

    Raises:
        UnreadableError: nothing is there, the system does not let this process read it, now or within the block, or it
            is no regular file: to read a FIFO waits for a writer, perhaps for ever, and a device such as /dev/zero has
            no end.
    """
    try:
        with contextlib.ExitStack() as stack:
            try:
                _check_regular(os.stat(path).st_mode)  # noqa: PTH116 (before opening, which alone can act on a device)
                # Something else may be there by now: opening a FIFO without O_NONBLOCK would wait.
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                file = stack.enter_context(open(descriptor, "rb"))  # noqa: PTH123 (a descriptor, not a path)
                _check_regular(os.fstat(descriptor).st_mode)
            except ValueError as error:  # also a null character in the path
                raise UnreadableError(path, error) from error
            yield file
    except OSError as error:
        raise UnreadableError(path, error) from error


def set_aside_name(path: Path) -> Path:
    """Return the first path beside `path` that is free: `<name>.set-aside`, `<name>.set-aside.2`, and so on."""
    taken = {entry.name for entry in entries(path.parent)}
    names = (f"{path.name}.set-aside" + (f".{number}" if number > 1 else "") for number in itertools.count(1))
    return path.with_name(next(name for name in names if name not in taken))


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
    temporary = _new_temporary(path)
    try:
        yield temporary
        commit(temporary, path)
    finally:
        _delete(temporary)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file through `replacing`; text as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def writing_together() -> Iterator[Callable[[Path, bytes], None]]:
    """Yield `write(path, content)` for many files, which together reach the disk much faster than one by one.

    The files get their names when the block ends, each as with `replacing`; after an error those written before it do.
    """
    temporaries: list[Path] = []
    complete: dict[Path, Path] = {}

    def write(path: Path, content: bytes) -> None:
        temporary = _new_temporary(path)
        temporaries.append(temporary)
        temporary.write_bytes(content)
        complete[path] = temporary

    try:
        try:
            yield write
        finally:
            _sync_all(complete.values())
            for path, temporary in complete.items():
                temporary.replace(path)
            _sync_all({path.parent for path in complete})
    finally:
        for temporary in temporaries:
            _delete(temporary)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where there are none; the new ones are on the disk on return."""
    if is_dir(folder):
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def commit(temporary: Path, path: Path) -> None:
    """Rename a complete file or folder to its final name, after its content and before the return flushed to disk."""
    # Without this the rename can reach the disk before the content, and a power failure leaves an empty file.
    if is_dir(temporary):
        sync_tree(temporary)
    else:
        sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Return when a file's content, or a folder's list of entries, is on the disk (fsync)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return  # a folder in which this process may write but not read; what it has written there is as good as before
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """`sync` a folder and everything below it: folders after all files."""
    walked = [(Path(parent), names) for parent, _, names in os.walk(folder, topdown=False)]
    _sync_all(parent / name for parent, names in walked for name in names)
    for parent, _ in walked:
        sync(parent)


def _sync_all(paths: Iterable[Path]) -> None:
    with ThreadPoolExecutor(_SYNC_THREADS) as executor:
        for _ in executor.map(sync, paths):
            pass


def _new_temporary(path: Path) -> Path:
    """Create an empty hidden file beside `path`: a rename is atomic only within a file system."""
    # Created exclusively, under a name that nobody can guess: in a folder that others may write, a link placed there
    # would be written through.
    temporary = path.with_name(f".{secrets.token_hex(8)}.partial")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return temporary


def _delete(temporary: Path) -> None:
    # If the folder is gone or read-only, deleting fails as well, and would hide the error that matters.
    with contextlib.suppress(OSError):
        temporary.unlink()


def _status(path: str | Path) -> os.stat_result:
    try:
        return os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        raise UnreadableError(path, error) from error


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
