"""Everything that knows Orbax: saving a run's state with its config inside, and loading all of it or one generator."""

import contextlib
import itertools
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import jax
from orbax.checkpoint import v1 as ocp

from cyclegan_jax import checksums
from cyclegan_jax import config as config_lib
from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.state import TrainState

T = TypeVar("T")


def directory(workdir: str | Path) -> Path:
    """Where a run in `workdir` keeps its checkpoints."""
    return Path(workdir).absolute() / "checkpoints"


class Checkpoints:
    """The checkpoints of one run, for writing; a context manager that waits for the last save to be on disk."""

    def __init__(
        self,
        workdir: str | Path,
        config: TrainConfig,
        sizes: Mapping[Domain, tuple[int, int]] | None = None,
        *,
        say: Callable[[str], None] = print,
    ):
        """Open, and create if need be, the checkpoints of the run in `workdir`.

        Args:
            workdir: the work directory of the run.
            config: its experiment.
            sizes: of its training images, where they are not squares of `data.image_size`.
            say: where lines about damaged checkpoints go.

        Raises:
            UserError: the folder cannot be made or written.
        """
        self._config = config
        self._sizes = sizes
        self._say = say
        self._folder = directory(workdir)
        self._saving: int | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._set_aside_foreign()
            self._checkpointer = self._open()
        except OSError as error:
            raise UserError(
                f"the work directory {workdir} cannot be written ({error}): give another by --workdir"
            ) from error

    def _open(self) -> Any:
        newest: Any = ocp.training.preservation_policies.LatestN(self._config.keep_checkpoints)
        return ocp.training.Checkpointer(self._folder, preservation_policy=newest, cleanup_tmp_directories=True)

    def __enter__(self) -> Self:
        """The object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for saves in flight and let go of the folder."""
        try:
            self._wait()
        except UserError:
            if error is None:
                raise
        finally:
            with contextlib.suppress(Exception):  # of a save that failed, told above
                self._checkpointer.close()

    def latest_step(self) -> int | None:
        """The newest step saved, or None."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def save(self, state: TrainState, data_position: dict[str, Any]) -> None:
        """Start writing the state and return; the arrays are copied first, so the caller may donate them.

        Args:
            state: what to save; its step names the checkpoint.
            data_position: the data iterator's state, JSON values.

        Raises:
            UserError: this save, or the one before, cannot be written.
        """
        self._wait()
        values = _as_dict(state)
        metadata = {
            "config": config_lib.to_dict(self._config),
            "data_position": data_position,
            "sizes": None if self._sizes is None else {domain: list(size) for domain, size in self._sizes.items()},
            "checksums": checksums.of_tree(values),
        }
        self._saving = int(state.step)
        with self._told_if_it_fails():
            self._checkpointer.save_async(
                self._saving,
                values,
                # The loop decides when to save; Orbax's own policy would skip saves.
                force=True,
                custom_metadata=checksums.seal(metadata),
            )

    def _wait(self) -> None:
        with self._told_if_it_fails():
            self._checkpointer.wait()

    @contextlib.contextmanager
    def _told_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax and its storage raise types of their own for a full or read-only disk.
            kept = [step for step in steps_of(self._folder.parent) if step != self._saving]
            rest = f"the one of step {kept[-1]:,} is kept" if kept else "there is no earlier one"
            raise UserError(
                f"the checkpoint of step {self._saving:,} cannot be written to {self._folder} ({_first_line(error)}); "
                f"{rest}: make room, and run the same command again"
            ) from error

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any], TrainConfig]:
        """The newest state that is whole, with the types and placement of `like`.

        A damaged checkpoint is set aside, and the one before is taken.

        Returns:
            The state, the data position, and the config it ran with.

        Raises:
            UserError: there is no checkpoint, or none that is whole, or its run is another than the config's.
        """
        while (step := self.latest_step()) is not None:
            try:
                return self._restore(step, like)
            except UserError:
                raise
            except Exception as error:  # Of damaged files Orbax raises types of many modules.
                aside = _free_name(self._folder / f"damaged-{step}")
                self._say(
                    f"the checkpoint of step {step:,} is damaged ({_first_line(error)}): it is kept as {aside.name}, "
                    "and the one before is taken"
                )
                self._checkpointer.close()
                (self._folder / str(step)).rename(aside)
                self._checkpointer = self._open()
        raise UserError(
            f"there is no checkpoint that is whole in {self._folder}: restore it from a copy, or begin anew in another "
            "--workdir"
        )

    def _restore(self, step: int, like: TrainState) -> tuple[TrainState, dict[str, Any], TrainConfig]:
        metadata = checksums.unseal(self._checkpointer.metadata(step).custom_metadata)
        before = config_lib.from_dict(metadata["config"])
        _check_same_run(before, self._config, f"step {step} in {self._folder}")
        sizes = None if metadata["sizes"] is None else {key: tuple(size) for key, size in metadata["sizes"].items()}
        if sizes != (None if self._sizes is None else dict(self._sizes)):
            raise UserError(
                f"the checkpoint of step {step} in {self._folder} was trained on images of the sizes {sizes}, but "
                f"those of the data are now {self._sizes} (height, width): use the data of that run, or another "
                "--workdir"
            )
        values = self._checkpointer.load(step, _as_dict(jax.tree.map(_abstract, like)))
        checksums.check_tree(values, metadata["checksums"])
        return like._replace(**values), metadata["data_position"], before

    def _set_aside_foreign(self) -> None:
        """Move what is called like a checkpoint but is none out of the way: Orbax would count it, and delete it."""
        for path in self._folder.glob("*"):
            if re.fullmatch(r"\d+", path.name) and not _is_checkpoint(path):
                aside = _free_name(self._folder / f"foreign-{path.name}")
                path.rename(aside)
                self._say(f"{path} is no checkpoint: it is kept as {aside.name}")


def steps_of(run: str | Path) -> list[int]:
    """The steps of a run's checkpoints, in order; folders that are none do not count."""
    numbered = (path for path in directory(run).glob("*") if re.fullmatch(r"\d+", path.name))
    return sorted(int(path.name) for path in numbered if _is_checkpoint(path))


@dataclass(frozen=True)
class Health:
    """How one checkpoint is.

    Attributes:
        step: of which step.
        size: of its files in bytes.
        damage: what is wrong with it; None where it is whole.
    """

    step: int
    size: int
    damage: str | None


def health(run: str | Path) -> Iterator[Health]:
    """Read every checkpoint of a run, in order, and compare it with what was saved.

    Raises:
        UserError: `run` holds no checkpoint.
    """
    _find(run, None)
    for step in steps_of(run):
        path = directory(run) / str(step)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        try:
            metadata = _metadata(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it is told no placement, which is of no matter for reading
                checksums.check_tree(ocp.load(path, checkpointable_name="state"), metadata["checksums"])
            damage = None
        except Exception as error:  # Of damaged files Orbax raises types of many modules.
            damage = _first_line(error)
        yield Health(step, size, damage)


def load_config(run: str | Path, step: int | None = None) -> tuple[TrainConfig, int]:
    """The config of a run's checkpoint, by default the newest, and its step.

    Raises:
        UserError: `run` holds no checkpoint, or not that one.
    """
    step, path = _find(run, step)
    return config_lib.from_dict(_whole(path, lambda: _metadata(path))["config"]), step


def load_generator_params(run: str | Path, direction: Direction, step: int | None = None, *, ema: bool) -> Params:
    """The parameters of one generator of a checkpoint, and nothing else of it.

    Args:
        run: the work directory of a run.
        direction: which generator.
        step: which checkpoint; None is the newest.
        ema: the moving average of the weights in place of the weights.

    Raises:
        UserError: there is no such checkpoint.
    """
    config, step = load_config(run, step)
    _, path = _find(run, step)
    shapes = jax.eval_shape(lambda key: cyclegan.initialize(config, key), jax.random.key(0))
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    wanted = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), shapes["generators"][direction]
    )
    field = "ema" if ema else "generators"
    context = ocp.Context()
    context.pytree_options.loading.partial_load = True

    def load() -> Params:
        with context:
            loaded = ocp.load(path, {field: {direction: wanted}}, checkpointable_name="state")
        checksums.check_tree(loaded, _metadata(path)["checksums"])
        params: Params = loaded[field][direction]
        return params

    return _whole(path, load)


def _whole(path: Path, read: Callable[[], T]) -> T:
    """What `read` gives; a damaged checkpoint becomes a sentence."""
    try:
        return read()
    except Exception as error:  # Of damaged files Orbax raises types of many modules.
        raise UserError(
            f"the checkpoint {path} is damaged ({_first_line(error)}): name another step (`cyclegan-jax checkpoints` "
            "tells which are whole)"
        ) from error


def _metadata(path: Path) -> dict[str, Any]:
    return checksums.unseal(ocp.metadata(path).custom_metadata)


def _find(run: str | Path, step: int | None) -> tuple[int, Path]:
    steps = steps_of(run)
    if not steps:
        raise UserError(f"{run} holds no checkpoint: name the work directory of a run, such as runs/streets")
    if step is not None and step not in steps:
        raise UserError(f"{run} holds no checkpoint of step {step}; it has {', '.join(map(str, steps))}")
    step = steps[-1] if step is None else step
    return step, directory(run) / str(step)


def _as_dict(state: TrainState) -> dict[str, Any]:
    """The state by field name, without what is switched off: a layout that a notebook can read without this package."""
    return {name: value for name, value in state._asdict().items() if value is not None}


def _is_checkpoint(path: Path) -> bool:
    """Whether a folder was saved as one; Orbax itself takes any folder with a number for its name."""
    return (path / "state").is_dir() and (path / "_CHECKPOINT_METADATA").is_file()


_KEPT_FIELDS: Final = (
    "generator.",
    "discriminator.",
    "pool_size",
    "ema_decay",
    "dtype",
    "seed",
    *(f"data.{name}" for name in ("source", "name", "name_A", "name_B", "image_size", "preprocess", "labels")),
    *(f"data.{name}" for name in ("channels_A", "channels_B", "range_A", "range_B")),
)
"""What a run keeps to its end: its networks, what its state is made of, and what its images are."""


def _check_same_run(before: TrainConfig, after: TrainConfig, which: str) -> None:
    changed = [change for change in config_lib.differences(before, after) if change.startswith(_KEPT_FIELDS)]
    # Its exact value may change; only whether there is an average decides what the state holds.
    if (before.ema_decay > 0) == (after.ema_decay > 0):
        changed = [change for change in changed if not change.startswith("ema_decay")]
    if changed:
        raise UserError(
            f"the checkpoint of {which} is of another run than the config ({', '.join(changed)}): use the run's own "
            "values, or another --workdir for a new run"
        )


def _free_name(path: Path) -> Path:
    """A path that is not taken: `path`, or it with a number."""
    others = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], others) if not one.exists())


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _abstract(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
