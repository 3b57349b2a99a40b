"""Opening one checkpoint of a run: its config, the parameters of one network, or its whole state."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import jax

from cyclegan_jax import config_dict, files
from cyclegan_jax.checkpoints import folders, layout, on_disk, run_epochs, scores
from cyclegan_jax.checkpoints.failures import DamagedError, DeletedError
from cyclegan_jax.config import OPPOSITE, Direction, Domain, TrainConfig
from cyclegan_jax.devices import float64
from cyclegan_jax.epochs import EpochLength, named
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Networks, Params
from cyclegan_jax.state import TrainState

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

_ATTEMPTS = 20
"""How often the newest checkpoint is read again because the training deletes it meanwhile."""


class UntrainedError(UserError):
    """A network of an imported run has random weights, since no file of it was imported."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint or snapshot whose metadata has been read and verified; arrays are read when a method is called.

    Attributes:
        run: the work directory of the run, as the caller wrote it; of a copied checkpoint, its own folder.
        path: the folder of the checkpoint.
        config: the experiment that the run was doing when it saved.
        metadata: the JSON values saved beside the arrays: `config`, `data_position`, `step` and, where the checkpoint
            has them, the checksums `arrays` and the `environment` in which it was saved.
    """

    run: Path
    path: Path
    config: TrainConfig
    metadata: dict[str, Any]

    @classmethod
    def read(cls, run: str | Path, path: Path) -> Self:
        """Read the metadata of the checkpoint in the folder `path`.

        Raises:
            DamagedError: it is not what was saved; see `on_disk.read_metadata` for the other errors.
        """
        metadata = on_disk.read_metadata(path)
        try:
            config = config_dict.from_dict(metadata["config"])
        except (TypeError, AttributeError) as error:  # only without checksums
            raise DamagedError(path, "its config cannot be read") from error
        return cls(Path(run), path, config, metadata)

    @property
    def step(self) -> int:
        """The training steps done before the save."""
        return int(self.metadata["step"])

    @cached_property
    def epoch(self) -> EpochLength | None:
        """The length of an epoch of its run; None where an early version saved it."""
        return run_epochs.of_checkpoint(self.config, self.metadata)

    @property
    def named(self) -> str:
        """Its step in words: `step 26,680 (epoch 20)`, without the epoch where its length is not known."""
        return named(self.step, self.epoch)

    @property
    def is_snapshot(self) -> bool:
        """Whether it holds the generators alone."""
        return layout.SNAPSHOT in self.metadata

    @property
    def has_checksums(self) -> bool:
        """Whether damage can be found; early versions wrote no checksums."""
        return "arrays" in self.metadata

    def warn_if_unverified(self) -> None:
        """Log that damage cannot be found, if the checkpoint has no checksums."""
        if not self.has_checksums:
            _LOG.warning(f"{self.path} has no checksums: an early version wrote it, and damage to it cannot be found")

    @cached_property
    def networks(self) -> Networks:
        """The definitions of the four networks, without weights."""
        return cyclegan.define(self.config)

    @cached_property
    def shapes(self) -> TrainState:
        """The `jax.ShapeDtypeStruct`s of all arrays, with the dtypes on disk."""
        with float64.allowed(self.config):
            return layout.saved_shapes(self.config, self.metadata)

    def generator(self, direction: Direction, ema: bool | None = None) -> Params:
        """Read the parameters of one generator, and nothing else, to the first device.

        Args:
            direction: `AtoB` or `BtoA`.
            ema: whether to read the moving average of the weights; None reads it where the run kept one.

        Returns:
            Nested dictionaries of arrays; float64 becomes float32 where the caller has 64-bit types off.

        Raises:
            UserError: the run kept no moving average, or what is read is damaged.
        """
        if direction not in ("AtoB", "BtoA"):
            raise UserError(f"direction is {direction!r}, but it must be AtoB or BtoA")
        if f"generators.{direction}" in self.metadata.get("untrained", ()):
            raise UntrainedError(
                f"{self.run} has no trained generator {direction}: the files that were imported had none. Use "
                f"{OPPOSITE[direction]}, import its file too, or train the run"
            )
        has_average = self.config.ema_decay > 0
        if ema and not has_average:
            raise UserError(
                f"{self.run} kept no moving average of its weights: train with --ema_decay, or leave ema out"
            )
        use_average = has_average if ema is None else ema
        return self._network("ema" if use_average else "generators", direction)

    def discriminator(self, domain: Domain) -> Params:
        """Read the parameters of the discriminator of one domain, and nothing else; see `generator`."""
        if domain not in ("A", "B"):
            raise UserError(f"domain is {domain!r}, but it must be A or B")
        if f"discriminators.{domain}" in self.metadata.get("untrained", ()):
            raise UntrainedError(
                f"{self.run} has no trained discriminator of domain {domain}: the files that were imported had none. "
                "Import its file too, or train the run"
            )
        if self.is_snapshot:
            raise UserError(f"{self.path} is a snapshot, which has no discriminators: name a step with a checkpoint")
        return self._network("discriminators", domain)

    def state(self) -> dict[str, Any]:
        """Read all arrays, by field of `TrainState`, to the first device.

        Fields that are switched off are missing, and in a snapshot all but the generators and their average.

        Raises:
            UserError: an array is damaged.
        """
        with float64.allowed(self.config), _advising(self.run, self.path):
            fields = layout.as_dict(self.shapes)
            return self.load(layout.on_first_device(layout.generators_alone(fields) if self.is_snapshot else fields))

    def load(self, like: Any, *, partial: bool = False) -> Any:
        """Read arrays to the placement in `like`; see `on_disk.load`, whose bare `DamagedError` this raises."""
        return on_disk.load(self.path, like, self.metadata, partial=partial)

    def _network(self, field: str, name: str) -> Params:
        with float64.allowed(self.config), _advising(self.run, self.path):
            like = {field: {name: layout.on_first_device(getattr(self.shapes, field)[name])}}
            params = self.load(like, partial=True)[field][name]
        # Outside the block: float64 weights are of no use to a caller whose operations are all 32-bit.
        return jax.tree.map(lambda leaf: leaf.astype(jax.dtypes.canonicalize_dtype(leaf.dtype)), params)


def open_checkpoint(run: str | Path, step: int | str | None = None, metric: str | None = None) -> Checkpoint:
    """Open a checkpoint or snapshot of a run; its metadata is read once, here.

    Args:
        run: the work directory of a run, or the folder of one checkpoint, which may be a copy of any name.
        step: which one: its step; "epoch:N", the one that ends the epoch N; "best", the one with the best score; None
            is the newest checkpoint, or the one whose folder was given.
        metric: which score decides the best; None where the run was scored by one metric, or all of them agree.

    Raises:
        UserError: there is no such checkpoint or score, the folder and the step contradict each other, or the metadata
            is damaged.
    """
    run = Path(run)
    if folders.is_copy(run):
        checkpoint = Checkpoint.read(run, run)
        if step not in (None, checkpoint.step):
            raise _two_steps(run, checkpoint.step, step)
    else:
        workdir, path = _find(run, step, metric)
        with _advising(workdir, path):
            checkpoint = Checkpoint.read(workdir, path)
    checkpoint.warn_if_unverified()
    return checkpoint


def read_from(run: str | Path, step: int | str | None, metric: str | None, read: Callable[[Checkpoint], _T]) -> _T:
    """Open a checkpoint as `open_checkpoint` does, and return what `read` reads from it.

    A training may delete the checkpoint meanwhile. Where no step was named, the newest one is then taken again.

    Raises:
        DeletedError: the step that was named has been deleted, or the newest one was each time.
        UserError: `open_checkpoint` or `read` raised it.
    """
    run = Path(run)
    is_named = step is not None or folders.is_in_run(run)
    for _ in range(0 if is_named else _ATTEMPTS):
        with contextlib.suppress(DeletedError):
            return read(open_checkpoint(run, step))
    return read(open_checkpoint(run, step, metric))


def _find(run: Path, step: int | str | None, metric: str | None) -> tuple[Path, Path]:
    """The work directory and the folder of the checkpoint that are meant."""
    if folders.is_in_run(run):
        folder = run.absolute()
        workdir = folder.parent.parent
        if step not in (None, int(folder.name)):
            raise _two_steps(run, int(folder.name), step)
        return workdir, folder if files.exists(folder) else folders.find(workdir, int(folder.name))
    if step == "best":
        step = scores.best_step(run, folders.loadable_steps(run), metric)
    return run, folders.find(run, run_epochs.step_of(run, step) if isinstance(step, str) else step)


def _two_steps(folder: Path, held: int, step: int | str | None) -> UserError:
    return UserError(f"{folder} is the checkpoint of step {held}, but step is {step}: leave one of them out")


@contextlib.contextmanager
def _advising(run: Path, path: Path) -> Iterator[None]:
    """Add the steps that can be opened instead to the message of a `DamagedError`."""
    try:
        yield
    except DamagedError as error:
        others = [str(step) for step in folders.present_steps(run) if str(step) != path.name]
        advice = f": name another step ({', '.join(others)})" if others else ": there is no other"
        raise DamagedError(error.path, error.what, advice) from error
