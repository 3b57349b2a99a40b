"""The work directory of a run: one run at a time, its configs, and a clear error when it cannot be written."""

import contextlib
import errno
import itertools
import json
import logging
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cyclegan_jax import config_dict, files
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import is_dir, is_file, make_folder, write_atomically

_LOG = logging.getLogger(__name__)

_DISK_ERRORS: Final = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EIO)
_PLACE_ERRORS: Final = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP)
"""The errors of a file that may not be written, or whose place another kind of file takes."""


class WorkdirLock:
    """A context manager that holds the lock of a work directory, so that two runs do not share it.

    Two locks of the operating system, which releases them when the process ends, however it ends: one of the directory
    itself, which holds even when files in it are deleted, and one of its file `run.lock`, for file systems that cannot
    lock a directory. A left-over file therefore locks nothing; its text, the process and host, is for the error message
    only.
    """

    def __init__(self, workdir: str | Path):
        """Prepare the lock of `workdir`, which is made when the lock is taken."""
        self._workdir = Path(workdir)
        self._file = self._workdir / "run.lock"
        self._held: list[int] = []

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            UserError: another process holds it, or the work directory cannot be written.
        """
        try:
            self._lock_folder()
            self._lock_file()
        except BaseException as error:
            self._release()
            if isinstance(error, BlockingIOError):
                raise UserError(
                    f"the work directory {self._workdir} is in use by {self._holder()}: wait for it, stop it, or "
                    "choose another with --workdir"
                ) from error
            if isinstance(error, OSError):
                raise UserError(
                    f"the work directory {self._workdir} cannot be written ({error.strerror}): choose another with "
                    "--workdir"
                ) from error
            raise
        return self

    def _lock_folder(self) -> None:
        with files.naming("--workdir"):
            files.exists(self._workdir)  # raises for a path that no folder can be made at
        make_folder(self._workdir)
        descriptor = self._keep(os.open(self._workdir, os.O_RDONLY | os.O_DIRECTORY))
        try:
            _lock(descriptor)
        except BlockingIOError:
            raise
        except OSError:  # NFS locks only what is open for writing
            _LOG.debug(f"{self._workdir} cannot be locked itself: only its file run.lock is")

    def _lock_file(self) -> None:
        while True:
            descriptor = self._keep(self._open_file())
            _lock(descriptor)
            # Another process may have deleted the file since, and a third one locked a new file of that name.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), self._file.lstat()):
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
                    return
            self._held.remove(descriptor)
            os.close(descriptor)

    def _open_file(self) -> int:
        try:
            # Links are not followed, since the file is emptied; O_NONBLOCK, since a FIFO would wait.
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
                raise self._no_file() from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._no_file()
        return descriptor

    def _no_file(self) -> UserError:
        return UserError(f"{self._file} is a link, or something else that is no file: delete it")

    def _holder(self) -> str:
        try:
            descriptor = self._open_file()
        except (OSError, UserError):
            return "another process"
        with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor, not a path)
            return file.read(1000).decode(errors="replace") or "another process"

    def _keep(self, descriptor: int) -> int:
        self._held.append(descriptor)
        return descriptor

    def _release(self) -> None:
        while self._held:
            os.close(self._held.pop())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock; the file stays."""
        self._release()


def _lock(descriptor: int) -> None:
    import fcntl  # does not exist on Windows

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FoldersInPlace:
    """Notices that a folder of a running run was deleted, moved or replaced by another.

    Nothing else would notice for long: open files can be written after they are deleted, and the next checkpoint would
    make the folder anew, with nothing else of the run in it.
    """

    def __init__(self, *folders: Path):
        """Open the folders; those that do not exist are not watched."""
        # Open, so that a folder made later cannot get the same inode number.
        self._open = {folder: os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in folders if is_dir(folder)}

    def check(self) -> None:
        """Raise if a folder is no longer there.

        Raises:
            UserError: it was deleted, moved or replaced.
        """
        for folder, descriptor in self._open.items():
            try:
                if os.path.samestat(os.fstat(descriptor), folder.stat()):
                    continue
            except OSError as error:
                # A network file system may not answer for a moment; if that lasts, the next write fails.
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
                    continue
            raise UserError(
                f"the folder {folder} was deleted, moved or replaced while the run was training: the run stops, and "
                "writes nothing more there; to resume a run that was moved, give its folder as --workdir"
            )

    def close(self) -> None:
        """Close the folders."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open = {}


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


def write_config(config: TrainConfig, workdir: Path, step: int) -> None:
    """Write the config as `config.json`, for people to read, and keep each that the run had.

    The one from which step it was used is in the name, as in `configs/from_step_2400.json`. Nothing reads them back:
    the checkpoints hold the config that counts.
    """
    content = json.dumps(config_dict.to_dict(config), indent=2) + "\n"
    current, history = workdir / "config.json", workdir / "configs"
    if is_file(current) and is_dir(history) and files.read_bytes(current) == content.encode():
        return
    make_folder(history)
    write_atomically(_unused(history / f"from_step_{step}.json"), content)
    write_atomically(current, content)


def _unused(path: Path) -> Path:
    """`path`, or with a number where a file has that name: a run may resume twice from one step."""
    names = itertools.chain([path], (path.with_stem(f"{path.stem}_{number}") for number in itertools.count(2)))
    return next(name for name in names if not files.exists(name))
