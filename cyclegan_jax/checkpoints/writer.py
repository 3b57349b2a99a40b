"""Saving the checkpoints and snapshots of a run in the background, one at a time."""

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax

from cyclegan_jax import config_dict, files
from cyclegan_jax.checkpoints import folders, layout, on_disk, retention
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices import distributed
from cyclegan_jax.devices.environment import environment
from cyclegan_jax.errors import UserError
from cyclegan_jax.state import TrainState


class CheckpointWriter:
    """Writes the checkpoints of one run; a context manager that waits until the last one is on disk.

    All processes of a run save together; the first one flushes to the disk and deletes. Old checkpoints are deleted,
    see `retention`, when the new one would survive a power failure.
    """

    def __init__(self, workdir: str | Path, config: TrainConfig, evaluates: Callable[[int], bool] = lambda step: False):
        """Create the folder of checkpoints where there is none; no other process may be writing to the run.

        Args:
            workdir: the work directory of the run.
            config: the experiment, which every checkpoint stores.
            evaluates: whether the run evaluates its checkpoint of a step, which then stays until it has scores.

        Raises:
            UserError: the folder cannot be made or written.
        """
        self._workdir = Path(workdir)
        self._folder = folders.directory(workdir)
        self._config = config
        self._evaluates = evaluates
        self._saving: on_disk.Saving | None = None
        try:
            files.make_folder(self._folder)
            self._place = self._workdir.stat()
        except OSError as error:
            raise UserError(
                f"the work directory {workdir} cannot be written ({error}): give another by --workdir"
            ) from error
        if distributed.is_first():
            folders.remove_unfinished(self._folder)
            folders.remove_unfinished(folders.snapshot_directory(workdir))

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the save under way; raise its failure unless the block has raised another error."""
        if kind is not None and jax.process_count() > 1:
            # A save ends when every process has done its part, and after an error the others may be gone.
            return
        try:
            self.wait()
        except on_disk.SaveError:
            if kind is None:
                raise

    def latest_step(self) -> int | None:
        """The newest step on disk, whole or damaged, or None."""
        steps = folders.steps(self._workdir)
        return steps[-1] if steps else None

    def save(
        self,
        state: TrainState,
        data_position: dict[str, Any] | None,
        *,
        extra: bool = False,
        untrained: Sequence[str] = (),
    ) -> None:
        """Wait for the save before, start to write the state, and return; the caller may donate its arrays.

        Args:
            state: the state to save; its step names the checkpoint.
            data_position: the data iterator's state, JSON values; None is that of a new run.
            extra: whether to delete this checkpoint when the next one is on disk, see `retention`.
            untrained: networks with random weights in a run whose other networks are trained, such as
                `generators.BtoA`; reading a generator among them fails.

        Raises:
            SaveError: this save could not begin, or the one before has failed.
        """
        metadata: dict[str, Any] = {}
        if extra:
            metadata[retention.EXTRA] = True
        if untrained:
            metadata["untrained"] = list(untrained)
        path = self._free_place(self._folder, state)
        metadata |= self._metadata(state, data_position)
        self._saving = on_disk.save(path, layout.as_dict(state), metadata, then=self.delete_old)

    def save_snapshot(self, state: TrainState, data_position: dict[str, Any]) -> None:
        """Wait for the save before, start to write the generators alone, and return; see `save`.

        Raises:
            SaveError: this save could not begin, or the one before has failed.
        """
        path = self._free_place(folders.snapshot_directory(self._workdir), state)
        metadata = self._metadata(state, data_position) | {layout.SNAPSHOT: True}
        self._saving = on_disk.save(path, layout.generators_alone(layout.as_dict(state)), metadata)

    def _free_place(self, folder: Path, state: TrainState) -> Path:
        """The path of a state's step in a folder, from which an earlier save of the step is moved away."""
        self.wait()
        path = folder / str(int(state.step))
        if distributed.is_first():
            files.make_folder(folder)
            if path.exists():
                folders.set_aside(path)
        distributed.wait_for_all("the checkpoint's place")
        return path

    def _metadata(self, state: TrainState, data_position: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "step": int(state.step),
            "config": config_dict.to_dict(self._config),
            "data_position": data_position,
            "environment": environment(),
        }

    def poll(self) -> None:
        """Look whether the save under way is on disk, without waiting.

        Raises:
            SaveError: it has failed.
        """
        self._settle(lambda saving: saving.done())

    def wait(self) -> None:
        """Return when nothing is being saved any more.

        Raises:
            SaveError: the save under way has failed.
        """
        self._settle(lambda saving: saving.wait() is saving)

    def abandon(self) -> None:
        """Delete what the save under way makes, since the run's folder was deleted or moved under it.

        The save writes to paths, and makes folders that are gone anew: half a checkpoint, and nothing else of the run.
        """
        saving, self._saving = self._saving, None
        if saving is None:
            return
        with contextlib.suppress(on_disk.SaveError):
            saving.wait()
        moved = not files.is_dir(self._workdir) or not os.path.samestat(self._workdir.stat(), self._place)
        # A lock file there is that of another run.
        if distributed.is_first() and not (moved and files.exists(self._workdir / "run.lock")):
            shutil.rmtree(saving.path, ignore_errors=True)
            for folder in (saving.path.parent, self._folder, self._workdir):
                with contextlib.suppress(OSError):
                    folder.rmdir()  # fails where it holds anything

    def delete_old(self) -> None:
        """Delete old checkpoints; called by the first process, after a save or while there is none."""
        retention.delete_old(self._workdir, self._config.keep_checkpoints, self._evaluates)

    def _settle(self, is_done: Callable[[on_disk.Saving], bool]) -> None:
        saving = self._saving
        if saving is None:
            return
        # Cleared first: a save that failed is over as well, and its error must be raised only once.
        self._saving = None
        if not is_done(saving):
            self._saving = saving
