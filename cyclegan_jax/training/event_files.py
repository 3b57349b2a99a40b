"""TensorBoard event files that report a failed write, for example on a full disk.

tensorboardX writes in a thread. At the first error that thread ends, the queue before it fills up, and the training
blocks for ever. Here the file itself catches the error, and the training raises it.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from cyclegan_jax import files

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

_PREFIX: Final = "cyclegan-jax-run"
"""tensorboardX chooses the factory of a file by the prefix of its path, as in `s3://...`."""
_FLUSH_SECONDS: Final = 30
"""The most that a power failure takes from the curves; tensorboardX flushes in its own thread."""


class EventFiles:
    """A file factory for tensorboardX whose files keep their first error instead of raising it."""

    def __init__(self) -> None:
        """Start without an error and without a file."""
        self.error: OSError | None = None

    def open(self, path: str) -> "_EventFile":
        """Open a file for writing; called by tensorboardX."""
        return _EventFile(self, _without_prefix(path))

    def directory_check(self, path: str) -> None:
        """Make the folder if it does not exist; called by tensorboardX."""
        files.make_folder(_without_prefix(path))

    def raise_error(self) -> None:
        """Raise the first error of a write, if there was one.

        Raises:
            OSError: for example because the disk is full.
        """
        if self.error is not None:
            raise self.error


class _EventFile:
    def __init__(self, owner: EventFiles, path: Path):
        self._owner = owner
        self._path = path
        # Unbuffered: a buffer would keep what it could not write, and fail with it again when it is closed.
        self._file: IO[bytes] = path.open("wb", buffering=0)
        files.sync(path.parent)

    def write(self, data: bytes) -> None:
        self._keeping_error(lambda: self._file.write(data))

    def flush(self) -> None:
        # A power failure then loses the lines since; events are appended, so the earlier ones stay as they are.
        self._keeping_error(lambda: files.sync(self._path))

    def _keeping_error(self, call: Callable[[], object]) -> None:
        if self._owner.error is None:
            try:
                call()
            except OSError as error:
                self._owner.error = error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def summary_writer(folder: Path, purge_step: int) -> "tuple[SummaryWriter, EventFiles]":
    """Open a `SummaryWriter` in a folder, and return it with the object that holds its errors.

    Args:
        folder: made if it does not exist.
        purge_step: TensorBoard ignores events from this step on in the folder's earlier files.

    Raises:
        OSError: the folder or its file cannot be made.
    """
    with _without_torch():
        from tensorboardX import SummaryWriter
        from tensorboardX.record_writer import register_writer_factory

    event_files = EventFiles()
    register_writer_factory(_PREFIX, event_files)
    writer = SummaryWriter(f"{_PREFIX}:{folder}", purge_step=purge_step, flush_secs=_FLUSH_SECONDS)
    return writer, event_files


def add_scalar(writer: "SummaryWriter", name: str, value: float, step: int, description: str) -> None:
    """Write one number with a description, which TensorBoard shows beside its curve.

    tensorboardX's own `add_scalar` names no plugin beside a description, and TensorBoard's reader warns of that.
    """
    from tensorboardX.summary import scalar

    summary = scalar(name, value, summary_description=description)
    summary.value[0].metadata.plugin_data.plugin_name = "scalars"
    file_writer: Any = writer.file_writer  # declared None, and opened with the writer
    file_writer.add_summary(summary, step)


@contextlib.contextmanager
def _without_torch() -> Iterator[None]:
    """Let an import of PyTorch fail inside the block, unless it has been imported before.

    Where PyTorch is installed tensorboardX imports it, only to know its type of tensor: seconds and 180 MB for nothing.
    """
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


def _without_prefix(path: str) -> Path:
    return Path(path.removeprefix(f"{_PREFIX}:"))
