"""TensorBoard's files on a disk that may be full: a failed write is told, where tensorboardX waits for ever.

tensorboardX writes in a thread that ends at the first error; the queue before it then fills, and the training waits.
"""

import contextlib
from pathlib import Path
from typing import IO, Final

from tensorboardX import SummaryWriter
from tensorboardX.record_writer import register_writer_factory

_PREFIX: Final = "cyclegan-jax-run"


class EventFiles:
    """Opens files for tensorboardX that remember their first error in place of raising it."""

    def __init__(self) -> None:
        """With no file open."""
        self.error: OSError | None = None

    def open(self, path: str) -> "_EventFile":
        """Open a file for writing; tensorboardX calls it."""
        return _EventFile(self, _without_prefix(path))

    def directory_check(self, path: str) -> None:
        """Make the folder; tensorboardX calls it."""
        _without_prefix(path).mkdir(parents=True, exist_ok=True)

    def raise_error(self) -> None:
        """Raise what a write has failed with.

        Raises:
            OSError: such as a full disk.
        """
        if self.error is not None:
            raise self.error


class _EventFile:
    def __init__(self, owner: EventFiles, path: Path):
        self._owner = owner
        # Unbuffered: a buffer keeps what could not be written, and fails with it again at every turn.
        self._file: IO[bytes] = path.open("wb", buffering=0)

    def write(self, data: bytes) -> None:
        if self._owner.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._owner.error = error

    def flush(self) -> None:
        pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def summary_writer(folder: Path, purge_step: int) -> tuple[SummaryWriter, EventFiles]:
    """A `SummaryWriter` to a folder, and where its errors are.

    Args:
        folder: is made if need be.
        purge_step: TensorBoard drops what earlier files say of this step and later ones.

    Raises:
        OSError: the folder or its file cannot be made.
    """
    files = EventFiles()
    register_writer_factory(_PREFIX, files)
    writer = SummaryWriter(f"{_PREFIX}:{folder}", purge_step=purge_step)
    return writer, files


def _without_prefix(path: str) -> Path:
    return Path(path.removeprefix(f"{_PREFIX}:"))
