"""Writing and reading one checkpoint with Orbax: written whole or not at all, and verified whenever it is read.

Orbax writes a checkpoint under a temporary name, but flushes little of it to the disk. So the first process flushes all
of it, and only then renames it to its step: a step's name never holds a part of a checkpoint, neither after a kill nor
after a power failure. Orbax does not notice a flipped byte either; `checksums` does.
"""

import errno
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from cyclegan_jax import files
from cyclegan_jax.checkpoints import checksums, folders
from cyclegan_jax.checkpoints.checksums import Tree
from cyclegan_jax.devices import distributed
from cyclegan_jax.errors import UserError


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


class SaveError(UserError):
    """A checkpoint could not be written; nothing of it stays on disk, and older ones are untouched."""


class Saving:
    """A save in the background: Orbax writes, then the first process flushes and renames."""

    def __init__(self, path: Path, response: Any, then: Callable[[], None]):
        """Start the thread that waits for Orbax's response to saving `path`."""
        self.path = path
        self._response = response
        self._then = then
        self._finished: Future[None] = Future()
        # A daemon: where another process of the run has ended, Orbax may wait for it without end.
        threading.Thread(target=self._finish, name=f"checkpoint {path.name}", daemon=True).start()

    def done(self) -> bool:
        """Whether the checkpoint survives a power failure; returns at once.

        Raises:
            SaveError: it could not be written.
        """
        return self._finished.done() and self.wait() is self

    def wait(self) -> Self:
        """Return when the checkpoint survives a power failure.

        Raises:
            SaveError: it could not be written.
        """
        self._finished.result()
        return self

    def _finish(self) -> None:
        try:
            self._commit()
            if distributed.is_first():
                self._then()
        except BaseException as error:
            self._finished.set_exception(error)
        else:
            self._finished.set_result(None)

    def _commit(self) -> None:
        try:
            self._response.result()
            if distributed.is_first():
                files.commit(folders.unfinished(self.path), self.path)
        except Exception as error:
            raise _save_failed(self.path, error) from error


def save(path: Path, tree: Tree, metadata: dict[str, Any], then: Callable[[], None] = lambda: None) -> Saving:
    """Start to write arrays, and return; the arrays are copied first, so the caller may donate them.

    Args:
        path: the checkpoint's folder, which must not exist.
        tree: the arrays, replicated over the devices.
        metadata: JSON values to keep beside them.
        then: called by the first process when the checkpoint is on disk, in the background.

    Raises:
        SaveError: the folder cannot be made.
    """
    signed = checksums.sign(metadata | {"arrays": checksums.describe(jax.device_get(tree))})
    context = ocp.Context()
    # With the default, a folder that cannot be made fails in the background, and Orbax's threads wait minutes for it.
    context.async_options.create_directories_asynchronously = False
    try:
        with context:
            response = ocp.save_async(folders.unfinished(path), tree, custom_metadata=signed)
    except Exception as error:
        raise _save_failed(path, error) from error
    return Saving(path, response, then)


def read_metadata(path: Path) -> dict[str, Any]:
    """Read the metadata that was saved, with the checksums of the arrays under `arrays`; early versions wrote none.

    Raises:
        DamagedError: it cannot be read, or does not fit its checksum.
    """
    file = path / "_CHECKPOINT_METADATA"
    try:
        return checksums.unsign(json.loads(file.read_bytes())["custom_metadata"])
    except OSError as error:
        raise DamagedError(path, f"{file.name}: {error.strerror}") from error
    except checksums.ChecksumError as error:
        raise DamagedError(path, f"{file.name} is not what was written") from error
    except Exception as error:
        # A flipped byte can make anything of JSON, also a number where a dictionary was.
        raise DamagedError(path, f"{file.name} cannot be read") from error


def load(path: Path, like: Tree, metadata: dict[str, Any], *, partial: bool = False) -> Tree:
    """Load arrays, and compare them with the checksums in the metadata.

    Args:
        path: the checkpoint's folder.
        like: `jax.ShapeDtypeStruct` leaves with the saved shapes and types, and the placement to load to.
        metadata: the result of `read_metadata`; without `arrays` nothing is compared.
        partial: whether `like` is only a part of what was saved.

    Raises:
        DamagedError: an array is not what was saved, or cannot be read.
        UserError: the checkpoint is whole, but holds other arrays.
    """
    expected = metadata.get("arrays")
    if expected is not None and not set(checksums.leaf_names(like)) <= set(expected):
        missing = min(set(checksums.leaf_names(like)) - set(expected))
        raise UserError(f"the checkpoint {path} has no array {missing}: another version of cyclegan-jax wrote it")
    context = ocp.Context()
    context.pytree_options.loading.partial_load = partial
    # Orbax creates JAX arrays in its own threads, in which 64-bit types are off: float64 would be cut to float32. So
    # it loads NumPy arrays, in host memory, where the checksums are computed anyway. The zeros take no memory.
    on_host = jax.tree.map(lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), like)
    try:
        with context:
            tree = ocp.load(path, on_host, checkpointable_name="state")
    except Exception as error:
        raise DamagedError(path, _unreadable(path, error)) from error
    if expected is not None:
        wrong = checksums.differing(tree, expected)
        if wrong:
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise DamagedError(path, f"the array {wrong[0]}{more}: not the values that were written")
    return jax.tree.map(_place, tree, like)


def _place(leaf: np.ndarray, wanted: jax.ShapeDtypeStruct) -> jax.Array:
    # Unlike `jax.device_put` this also works where some of the devices belong to other processes.
    return jax.make_array_from_callback(leaf.shape, wanted.sharding, lambda index: leaf[index])


def _save_failed(path: Path, error: Exception) -> SaveError:
    """Clean up after a failed save, and describe it."""
    if distributed.is_first():
        folders.remove_failed_save(path.parent)
    kept = [step for step in folders.steps_in(path.parent) if step != int(path.name)]
    before = f"the checkpoint of step {kept[-1]:,} is kept" if kept else "there is none before it"
    return SaveError(
        f"the checkpoint of step {int(path.name):,} could not be written to {path.parent} ({_reason(error)}); {before}."
        " Make room or make the folder writable, and run the same command again"
    )


def _reason(error: BaseException) -> str:
    """An error of writing or reading in a few words: the operating system's, even where a library wrapped them."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # TensorStore raises ValueError with the system's words somewhere in a long text.
    for code in (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EIO):
        if os.strerror(code) in str(error):
            return os.strerror(code)
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


def _unreadable(path: Path, error: Exception) -> str:
    """Describe a library's error by the file whose path is in its text, if any."""
    # The longest path first: a folder's path is a part of the paths of its files.
    for file in sorted(path.rglob("*"), key=lambda file: -len(str(file))):
        if file.is_file() and str(file) in str(error):
            return f"{file.relative_to(path)} cannot be read"
    return f"its arrays cannot be read: {_reason(error)}"
