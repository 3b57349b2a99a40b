"""The checkpoints of a run: saving its state with its config inside, and loading all of it or one generator."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import jax

from cyclegan_jax import config_dict, optimizer
from cyclegan_jax import state as state_lib
from cyclegan_jax.checkpoints import checkpoint as store
from cyclegan_jax.checkpoints import resume
from cyclegan_jax.checkpoints import scores as checkpoint_scores
from cyclegan_jax.checkpoints.checkpoint import DamagedError
from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.devices import distributed
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.state import TrainState

_LOG = logging.getLogger(__name__)


class Restored(NamedTuple):
    """What a run goes on from.

    Attributes:
        state: the state after `state.step` steps.
        data_position: the data iterator's state.
        changed: the fields, as `name old -> new`, in which the config now differs from the one it was saved with.
    """

    state: TrainState
    data_position: dict[str, Any]
    changed: list[str]


def directory(workdir: str | Path) -> Path:
    """Where a run in `workdir` keeps its checkpoints."""
    return Path(workdir).absolute() / "checkpoints"


class Checkpoints:
    """The checkpoints of one run, for writing; a context manager that waits for the last save to be on disk.

    Where a run has several processes, all of them save and restore together, and the first alone deletes.

    One save is under way at a time. When it is on disk, checkpoints that are neither among the newest
    `config.keep_checkpoints` nor the best by a score (see `checkpoint_scores`) are deleted.
    """

    def __init__(self, workdir: str | Path, config: TrainConfig):
        """Open, and create if need be, the checkpoints of the run in `workdir`, which no other process may be using.

        Raises:
            UserError: the folder cannot be made or written.
        """
        self._workdir = Path(workdir)
        self._folder = directory(workdir)
        self._config = config
        self._saving: store.Saving | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"the work directory {workdir} cannot be written ({error}): give another by --workdir"
            ) from error
        if distributed.is_first():
            store.remove_unfinished(self._folder)

    def __enter__(self) -> Self:
        """The object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the save under way; its failure is raised unless another error is on its way already."""
        if kind is not None and jax.process_count() > 1:
            # The others may have ended, and a save is done when all have done their part.
            return
        try:
            self.wait()
        except store.SaveError:
            if kind is None:
                raise

    def latest_step(self) -> int | None:
        """The newest step on disk, whole or damaged, or None."""
        steps = store.steps(self._folder)
        return steps[-1] if steps else None

    def save(self, state: TrainState, data_position: dict[str, Any]) -> None:
        """Wait for the save before, start writing the state, and return; the caller may donate its arrays.

        Args:
            state: what to save; its step names the checkpoint.
            data_position: the data iterator's state, JSON values.

        Raises:
            SaveError: this save could not begin, or the one before has failed.
        """
        self.wait()
        path = self._folder / str(int(state.step))
        if distributed.is_first() and path.exists():
            store.set_aside(path)
        distributed.wait_for_all("the checkpoint's place")
        metadata = {"config": config_dict.to_dict(self._config), "data_position": data_position}
        self._saving = store.save(path, _as_dict(state), metadata)

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

    def _settle(self, is_done: Callable[[store.Saving], bool]) -> None:
        saving = self._saving
        if saving is None:
            return
        # A save that has failed is over as well: its error is raised once.
        self._saving = None
        if not is_done(saving):
            self._saving = saving
        elif distributed.is_first():
            self.delete_old()

    def delete_old(self) -> None:
        """Delete what is neither among the newest nor the best; for one process, while nothing is being saved."""
        steps = store.steps(self._folder)
        keep = {*steps[-self._config.keep_checkpoints :], *_best_steps(self._workdir, steps)}
        for step in steps:
            if step not in keep:
                store.remove(self._folder / str(step))

    def restore(self, like: TrainState) -> Restored | None:
        """The newest state that is whole, with the types and placement of `like`; None where there is no checkpoint.

        Damaged checkpoints that are newer are named and set aside, so that the run can write theirs anew.

        Args:
            like: a state of the run's config.

        Raises:
            UserError: the config has changed in what a run keeps, or all checkpoints are damaged.
        """
        damaged: list[DamagedError] = []
        for step in reversed(distributed.from_first(store.steps(self._folder))):
            path = self._folder / str(step)
            try:
                metadata = store.read_metadata(path)
                saved_config = config_dict.from_dict(metadata["config"])
                changed = resume.changes(saved_config, self._config, self._workdir)
                _check_shapes(like, _saved_shapes(saved_config, metadata), path)
                values = store.load(path, _as_dict(jax.tree.map(_abstract, like)), metadata)
            except DamagedError as error:
                damaged.append(error)
                continue
            for newer in damaged:
                _LOG.warning(f"{newer} and set aside: going on from step {step:,} instead")
                if distributed.is_first():
                    store.set_aside(newer.path)
            return Restored(like._replace(**values), metadata["data_position"], changed)
        if damaged:
            raise UserError(
                f"{damaged[0]}, and none before it is whole: start anew by another --workdir, or bring back a copy"
            )
        return None


def choose(
    run: str | Path, step: int | Literal["best"] | None = None, metric: str | None = None
) -> tuple[Path, int | None]:
    """The run and the step that a user means: a checkpoint may be named by its folder, or by being the best.

    Args:
        run: a work directory, or the folder of one of its checkpoints.
        step: a step, "best" by a score, or None for the newest, or the folder's.
        metric: by which score; None where all scores agree.

    Raises:
        UserError: the folder and the step contradict each other, or no score says which is the best.
    """
    run = Path(run)
    if run.absolute().parent.name == "checkpoints" and run.name.isdigit():
        if step not in (None, int(run.name)):
            raise UserError(
                f"{run} is the checkpoint of step {int(run.name)}, but step is {step}: leave one of them out"
            )
        return run.absolute().parent.parent, int(run.name)
    if step != "best":
        return run, step
    best = checkpoint_scores.best_steps(run, store.steps(directory(run)))
    if not best:
        raise UserError(f"{run} has no scores yet: run `cyclegan-jax evaluate --run {run}`, or name a step")
    if metric is not None and metric not in best:
        raise UserError(f"{run} was not scored by {metric}: it was by {', '.join(sorted(best))}")
    steps = {metric: best[metric]} if metric is not None else best
    if len(set(steps.values())) > 1:
        told = ", ".join(f"{name} {value}" for name, value in sorted(steps.items()))
        raise UserError(f"the best checkpoint of {run} depends on the metric ({told}): name one by metric, or the step")
    return run, next(iter(steps.values()))


def load_config(run: str | Path, step: int | None = None) -> tuple[TrainConfig, int]:
    """The config of a run's checkpoint, by default the newest, and its step.

    Raises:
        UserError: `run` holds no checkpoint, or not that one, or it is damaged.
    """
    step, path = _find(run, step)
    with _naming_others(run, step):
        return config_dict.from_dict(store.read_metadata(path)["config"]), step


def load_state(run: str | Path, step: int | None = None) -> tuple[dict[str, Any], TrainConfig, int]:
    """All that a checkpoint holds, by field of `TrainState`, on the first device; its config and its step.

    Raises:
        UserError: `run` holds no checkpoint, or not that one, or it is damaged.
    """
    step, path = _find(run, step)
    metadata = store.read_metadata(path)
    config = config_dict.from_dict(metadata["config"])
    with jax.enable_x64(config.dtype == "float64" or jax.config.read("jax_enable_x64")):
        like = _as_dict(jax.tree.map(_on_first_device, _saved_shapes(config, metadata)))
        return store.load(path, like, metadata), config, step


def load_generator_params(run: str | Path, direction: Direction, step: int | None = None, *, ema: bool) -> Params:
    """The parameters of one generator of a checkpoint, and nothing else of it.

    Args:
        run: the work directory of a run.
        direction: which generator.
        step: which checkpoint; None is the newest.
        ema: the moving average of the weights in place of the weights.

    Raises:
        UserError: there is no such checkpoint, or what is read of it is damaged.
    """
    config, step = load_config(run, step)
    shapes = _saved_shapes(config, {}).generators[direction]
    return _load_network(run, config, step, "ema" if ema else "generators", direction, shapes)


def load_discriminator_params(run: str | Path, domain: Domain, step: int | None = None) -> Params:
    """The parameters of the discriminator of one domain; see `load_generator_params`."""
    config, step = load_config(run, step)
    shapes = _saved_shapes(config, {}).discriminators[domain]
    return _load_network(run, config, step, "discriminators", domain, shapes)


def _load_network(run: str | Path, config: TrainConfig, step: int, field: str, name: str, shapes: Params) -> Params:
    with jax.enable_x64(config.dtype == "float64" or jax.config.read("jax_enable_x64")):
        # With the types of the save; `shapes` has those that the caller can use.
        saved = getattr(_saved_shapes(config, {}), "generators" if field == "ema" else field)[name]
        like = {field: {name: jax.tree.map(_on_first_device, saved)}}
        with _naming_others(run, step):
            path = directory(run) / str(step)
            tree = store.load(path, like, store.read_metadata(path), partial=True)
        return jax.tree.map(lambda leaf, wanted: leaf.astype(wanted.dtype), tree[field][name], shapes)


def verify(run: str | Path, step: int) -> None:
    """Read a whole checkpoint and compare it with its checksums.

    Raises:
        DamagedError: it is not what was saved.
    """
    load_state(run, step)


def mark_best(run: str | Path, step: int, metric: str, value: float, *, better: str) -> None:
    """Write down the score of a run's checkpoint: the best of each metric outlives newer ones.

    Args:
        run: the work directory of the run.
        step: which checkpoint.
        metric: its name, such as `fid`.
        value: finite.
        better: `lower` or `higher`.

    Raises:
        UserError: there is no such checkpoint, or the score is not finite or of the other sense than those before.
    """
    _find(run, step)
    checkpoint_scores.record(run, step, metric, value, better=better)


def _best_steps(workdir: Path, steps: list[int]) -> list[int]:
    try:
        return list(checkpoint_scores.best_steps(workdir, steps).values())
    except UserError:
        # No score is worth ending a run for; while they cannot be read, nothing is deleted.
        return steps


@contextlib.contextmanager
def _naming_others(run: str | Path, step: int) -> Iterator[None]:
    try:
        yield
    except DamagedError as error:
        others = [str(other) for other in store.steps(directory(run)) if other != step]
        instead = f"name another step ({', '.join(others)})" if others else "there is no other"
        raise UserError(f"{error}: {instead}") from error


def _find(run: str | Path, step: int | None) -> tuple[int, Path]:
    folder = directory(run)
    steps = store.steps(folder)
    if not steps:
        raise UserError(f"{run} holds no checkpoint: name the work directory of a run, such as runs/streets")
    if step is not None and step not in steps:
        raise UserError(f"{run} holds no checkpoint of step {step}; it has {', '.join(map(str, steps))}")
    step = steps[-1] if step is None else step
    return step, folder / str(step)


def _as_dict(state: TrainState) -> dict[str, Any]:
    """The state by field name, without what is switched off: a layout that a notebook can read without this package."""
    return {name: value for name, value in state._asdict().items() if value is not None}


def _saved_shapes(config: TrainConfig, metadata: dict[str, Any]) -> TrainState:
    """The state that a run of this config saves, without its values; the sizes of pools may be the data's."""
    state = jax.eval_shape(lambda: state_lib.create(config, optimizer.adam(config.optimizer)))
    arrays = metadata.get("arrays", {})

    def as_saved(name: str, leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(tuple(arrays[name]["shape"]), leaf.dtype) if name in arrays else leaf

    fields = _as_dict(state)
    leaves = [as_saved(name, leaf) for name, leaf in zip(store.names(fields), jax.tree.leaves(fields), strict=True)]
    return state._replace(**jax.tree.unflatten(jax.tree.structure(fields), leaves))


def _check_shapes(now: TrainState, saved: TrainState, path: Path) -> None:
    """The config's checks name the field; what is left is the data's own sizes."""
    fields = _as_dict(now), _as_dict(saved)
    for name, new, old in zip(store.names(fields[0]), *map(jax.tree.leaves, fields), strict=True):
        if (new.shape, new.dtype) != (old.shape, old.dtype):
            raise UserError(
                f"the checkpoint {path} is of images of another size ({name} is {old.shape} in it, and {new.shape} "
                "with the data now): use the run's own data, or another --workdir for a new run"
            )


def _abstract(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)


def _on_first_device(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device)
