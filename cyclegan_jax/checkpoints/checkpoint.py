"""One checkpoint on disk, and everything that knows Orbax: written whole or not at all, and never read unverified.

Orbax commits a checkpoint by a rename, so that a killed process leaves a whole one or none. But it loads a flipped byte
without a word. So the CRC-32 of every array, taken from memory at save time, and one of the metadata are part of the
metadata: the same rename commits them, and they are compared with what is read.
"""

import errno
import json
import os
import re
import shutil
import time
import zlib
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from cyclegan_jax.devices import distributed
from cyclegan_jax.errors import UserError

Tree = Any
"""A pytree of nested dictionaries and optax's named tuples, with arrays or `jax.ShapeDtypeStruct` for leaves."""

_CONTENT = ("_CHECKPOINT_METADATA", "orbax.checkpoint", "state")
_SETTLE_SECONDS = 5.0
_UNFINISHED = re.compile(r"\d+\.(orbax-checkpoint-tmp.*|deleted)")


class DamagedError(UserError):
    """A checkpoint that does not hold what was saved.

    Attributes:
        path: the folder of the checkpoint.
        what: which leaf or file is wrong.
    """

    def __init__(self, path: Path, what: str):
        """Of the checkpoint at `path`, with `what` in it wrong."""
        super().__init__(f"the checkpoint {path} is damaged ({what})")
        self.path = path
        self.what = what


class SaveError(UserError):
    """A checkpoint could not be written; nothing of it stays, and those before it are untouched."""


class Saving:
    """A checkpoint on its way to disk."""

    def __init__(self, path: Path, response: Any):
        """What `save` gives."""
        self.path = path
        self._response = response

    def done(self) -> bool:
        """Whether it is on disk; never waits.

        Raises:
            SaveError: it could not be written.
        """
        return self._result(timeout=0)

    def wait(self) -> Self:
        """Return when it is on disk.

        Raises:
            SaveError: it could not be written.
        """
        self._result(timeout=None)
        return self

    def _result(self, timeout: float | None) -> bool:
        try:
            self._response.result(timeout=timeout)
        except TimeoutError:
            return False
        except Exception as error:
            if distributed.is_first():
                _remove_failed(self.path.parent)
            raise SaveError(_not_written(self.path, error)) from error
        return True


def save(path: Path, tree: Tree, metadata: dict[str, Any]) -> Saving:
    """Start writing arrays and return; they are copied first, so the caller may donate them.

    Args:
        path: the checkpoint's folder, which must not exist.
        tree: what to save, replicated over the devices.
        metadata: JSON values to keep beside it.

    Raises:
        SaveError: the folder cannot be made.
    """
    signed = _signed(metadata | {"arrays": describe(jax.device_get(tree))})
    context = ocp.Context()
    # Made in the background, a folder that cannot be made leaves Orbax's threads waiting for it for minutes.
    context.async_options.create_directories_asynchronously = False
    try:
        with context:
            return Saving(path, ocp.save_async(path, tree, custom_metadata=signed))
    except Exception as error:
        if distributed.is_first():
            _remove_failed(path.parent)
        raise SaveError(_not_written(path, error)) from error


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata that was saved, with `arrays`, what `describe` says of each; early versions wrote none.

    Raises:
        DamagedError: it is not what was saved.
    """
    file = path / "_CHECKPOINT_METADATA"
    try:
        metadata = json.loads(file.read_bytes())["custom_metadata"]
        expected = metadata.pop("checksum", None)
        whole = expected == _signed(metadata)["checksum"] or set(metadata) == {"config", "data_position"}
    except OSError as error:
        raise DamagedError(path, f"{file.name}: {error.strerror}") from error
    except Exception as error:
        raise DamagedError(path, f"{file.name} cannot be read") from error
    if not whole:
        raise DamagedError(path, f"{file.name} is not what was written")
    return metadata


def load(path: Path, like: Tree, metadata: dict[str, Any], *, partial: bool = False) -> Tree:
    """The arrays of a checkpoint, compared with the checksums in its metadata.

    Args:
        path: the checkpoint's folder.
        like: `jax.ShapeDtypeStruct` leaves with the saved shapes and types, and the placement to load to.
        metadata: what `read_metadata` gives; without `arrays` nothing is compared.
        partial: whether `like` is only a part of what was saved.

    Raises:
        DamagedError: an array is not what was saved, or cannot be read.
        UserError: the checkpoint is whole, but holds other arrays.
    """
    expected = metadata.get("arrays")
    if expected is not None and not set(names(like)) <= set(expected):
        missing = min(set(names(like)) - set(expected))
        raise UserError(f"the checkpoint {path} has no array {missing}: another version of cyclegan-jax wrote it")
    context = ocp.Context()
    context.pytree_options.loading.partial_load = partial
    # Orbax makes JAX arrays in threads of its own, where 64-bit types are not switched on: they would be cut to 32.
    on_host = jax.tree.map(lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), like)
    try:
        with context:
            tree = ocp.load(path, on_host, checkpointable_name="state")
    except Exception as error:
        raise DamagedError(path, _unreadable(path, error)) from error
    if expected is not None:
        found = describe(tree)
        wrong = [name for name in found if found[name] != expected[name]]
        if wrong:
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise DamagedError(path, f"the array {wrong[0]}{more}: not the values that were written")
    return jax.tree.map(_placed, tree, like)


def _placed(leaf: np.ndarray, wanted: jax.ShapeDtypeStruct) -> jax.Array:
    return jax.make_array_from_callback(leaf.shape, wanted.sharding, lambda index: leaf[index])


def names(tree: Tree) -> list[str]:
    """The leaves' names in order, such as `generators.AtoB.blocks.0.conv1.kernel`."""
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree.leaves_with_path(tree)]


def describe(tree: Tree) -> dict[str, dict[str, Any]]:
    """Shape, type and the CRC-32 of the bytes of each host array, by its name."""

    def one(leaf: Any) -> dict[str, Any]:
        flat = np.ascontiguousarray(leaf).reshape(-1)
        return {"shape": list(np.shape(leaf)), "dtype": str(flat.dtype), "crc32": zlib.crc32(flat.view(np.uint8).data)}

    return {name: one(leaf) for name, leaf in zip(names(tree), jax.tree.leaves(tree), strict=True)}


def steps(folder: Path) -> list[int]:
    """The steps of which there are checkpoints, whole or damaged, in ascending order.

    A folder with a number for its name, but nothing of a checkpoint in it, is somebody else's.
    """
    numbered = (path for path in folder.glob("*") if re.fullmatch(r"0|[1-9]\d*", path.name))
    return sorted(int(path.name) for path in numbered if any((path / name).exists() for name in _CONTENT))


def remove(path: Path) -> None:
    """Delete a checkpoint: renamed first, so that no kill leaves half of one behind under its number."""
    going = path.with_name(f"{path.name}.deleted")
    shutil.rmtree(going, ignore_errors=True)
    path.rename(going)
    shutil.rmtree(going, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Delete what killed processes left of saving and deleting."""
    for path in folder.glob("*"):
        if _UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _remove_failed(folder: Path) -> None:
    """After one array's failure others are still being written, into folders that are made again for them."""
    end = time.monotonic() + _SETTLE_SECONDS
    gone = 0
    while gone < 3 and time.monotonic() < end:
        remove_unfinished(folder)
        time.sleep(0.1)
        gone = 0 if any(_UNFINISHED.fullmatch(path.name) for path in folder.glob("*")) else gone + 1


def set_aside(path: Path) -> Path:
    """Rename a folder that must not be taken for a checkpoint; nothing is deleted."""
    for number in range(1, 1000):
        aside = path.with_name(f"{path.name}.set-aside" + (f".{number}" if number > 1 else ""))
        if not aside.exists():
            break
    return path.rename(aside)


def size(path: Path) -> int:
    """Bytes on disk."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def reason(error: BaseException) -> str:
    """An error of writing or reading in few words: the system's, where it has some, even inside a library's text."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    for code in (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EIO):
        if os.strerror(code) in str(error):
            return os.strerror(code)
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


def _signed(metadata: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(metadata, sort_keys=True)
    return metadata | {"checksum": zlib.crc32(text.encode())}


def _not_written(path: Path, error: Exception) -> str:
    kept = [step for step in steps(path.parent) if step != int(path.name)]
    before = f"the checkpoint of step {kept[-1]:,} is kept" if kept else "there is none before it"
    return (
        f"the checkpoint of step {int(path.name):,} could not be written to {path.parent} ({reason(error)}); {before}. "
        "Make room or make the folder writable, and run the same command again"
    )


def _unreadable(path: Path, error: Exception) -> str:
    """Which file a library's error speaks of, where it does."""
    for file in sorted(path.rglob("*"), key=lambda file: -len(str(file))):
        if file.is_file() and str(file) in str(error):
            return f"{file.relative_to(path)} cannot be read"
    return f"its arrays cannot be read: {reason(error)}"
