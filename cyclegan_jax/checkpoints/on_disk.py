"""Writing and reading one checkpoint with Orbax: written whole or not at all, and verified whenever it is read.

Orbax writes a checkpoint under a temporary name, but flushes little of it to the disk. So the first process flushes all
of it, and only then renames it to its step: a step's name never holds a part of a checkpoint, neither after a kill nor
after a power failure. Orbax does not notice a flipped byte either; `checksums` does.
"""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from cyclegan_jax import files
from cyclegan_jax.checkpoints import checksums, failures, folders, quiet
from cyclegan_jax.checkpoints.checksums import Tree
from cyclegan_jax.checkpoints.failures import DamagedError
from cyclegan_jax.devices import distributed
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import UnreadableError

_METADATA = "_CHECKPOINT_METADATA"


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

    The name of the folder is not trusted: in a run it is compared with the step that was saved. A checkpoint that was
    copied elsewhere may have any name. The step is always under `step`, also where an early version left it out.

    Raises:
        DamagedError: it cannot be read, or does not fit its checksum, or is that of another step.
        DeletedError: the checkpoint was deleted meanwhile.
        UnreadableError: the system does not let this process read it.
    """
    file = path / _METADATA
    try:
        metadata = json.loads(file.read_bytes())["custom_metadata"]
        if not _is_early(path, metadata):
            metadata = checksums.unsign(metadata)
    except OSError as error:
        raise failures.of_file(path, file, error) from error
    except checksums.ChecksumError as error:
        raise DamagedError(path, f"{file.name} {error}") from error
    except UnreadableError:
        raise
    except Exception as error:
        # A flipped byte can make anything of JSON, also a number where a dictionary was.
        raise DamagedError(path, f"{file.name} cannot be read") from error
    step = _step(path, metadata)
    if folders.is_in_run(path) and str(step) != path.name:
        raise DamagedError(
            path, f"it holds step {step}, not step {path.name}: rename the folder to {step} or delete it"
        )
    return metadata | {"step": step}


def load(path: Path, like: Tree, metadata: dict[str, Any], *, partial: bool = False) -> Tree:
    """Load arrays, and compare them with the checksums in the metadata.

    Args:
        path: the checkpoint's folder.
        like: `jax.ShapeDtypeStruct` leaves with the saved shapes and types, and the placement to load to.
        metadata: the result of `read_metadata`; without `arrays` nothing is compared.
        partial: whether `like` is only a part of what was saved.

    Raises:
        DamagedError: an array is not what was saved, or cannot be read.
        DeletedError: the checkpoint was deleted meanwhile.
        UnreadableError: the system does not let this process read a file of it.
        UserError: the checkpoint is whole, but holds other arrays.
    """
    expected = metadata.get("arrays")
    if expected is not None and not set(checksums.leaf_names(like)) <= set(expected):
        missing = min(set(checksums.leaf_names(like)) - set(expected))
        raise UserError(f"the checkpoint {path} has no array {missing}: another version of cyclegan-jax wrote it")
    # Orbax creates JAX arrays in its own threads, in which 64-bit types are off: float64 would be cut to float32. So
    # it loads NumPy arrays, in host memory, where the checksums are computed anyway. The zeros take no memory.
    on_host = jax.tree.map(lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), like)
    problem: UserError | None = None
    with quiet.orbax():
        try:
            tree = _load_on_host(path, on_host, partial)
            wrong = [] if expected is None else checksums.differing(tree, expected)
        except Exception as error:
            problem = failures.of_arrays(path, error)
        if problem is not None:
            quiet.settle()
    if problem is not None:
        # Outside the block above: with Orbax's exception as its cause it would keep Orbax's unfinished tasks alive.
        raise problem
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise failures.damaged_or_deleted(path, f"the array {wrong[0]}{more}: not the values that were written")
    return jax.tree.map(_place, tree, like)


def _load_on_host(path: Path, like: Tree, partial: bool) -> Tree:
    context = ocp.Context()
    context.pytree_options.loading.partial_load = partial
    with context:
        return ocp.load(path, like, checkpointable_name="state")


def _is_early(path: Path, metadata: Any) -> bool:
    """Whether the first versions wrote this checkpoint; they had no checksums, so it is opened unverified.

    A later checkpoint that has lost its checksums differs in two traces outside them: every version with checksums also
    wrote the config's field `init_from`, and the marker file `orbax.checkpoint`.
    """
    return (
        set(metadata) == {"config", "data_position"}
        and "init_from" not in metadata["config"]
        and files.exists(path / "state" / "commit_success.txt")
        and not files.exists(path / "orbax.checkpoint")
    )


def _step(path: Path, metadata: dict[str, Any]) -> int:
    """The step that was saved, which the name of a copied or renamed folder does not say."""
    step = metadata.get("step")
    if step is None:
        # Earlier versions did not write it into the metadata, but it is one of the arrays, with a checksum of its own.
        device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        like = {"step": jax.ShapeDtypeStruct((), np.int32, sharding=device)}
        step = int(load(path, like, metadata, partial=True)["step"])
    return int(step)


def _place(leaf: np.ndarray, wanted: jax.ShapeDtypeStruct) -> jax.Array:
    # Unlike `jax.device_put` this also works where some of the devices belong to other processes.
    return jax.make_array_from_callback(leaf.shape, wanted.sharding, lambda index: leaf[index])


def _save_failed(path: Path, error: Exception) -> SaveError:
    """Clean up after a failed save, and describe it."""
    if distributed.is_first():
        folders.remove_failed_save(path.parent)
    kept = [step for step in folders.steps_in(path.parent) if step != int(path.name)]
    kind = path.parent.name.removesuffix("s")  # checkpoint or snapshot
    before = f"the {kind} of step {kept[-1]:,} is kept" if kept else "there is none before it"
    return SaveError(
        f"the {kind} of step {int(path.name):,} could not be written to {path.parent} ({failures.reason(error)}); "
        f"{before}. Make room or make the folder writable, and run the same command again"
    )
