"""Everything that knows Orbax: saving a run's state with its config inside, and loading all of it or one generator."""

import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
from orbax.checkpoint import v1 as ocp

from cyclegan_jax import config as config_lib
from cyclegan_jax import optimizer
from cyclegan_jax import state as state_lib
from cyclegan_jax.config import Direction, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.state import TrainState


def directory(workdir: str | Path) -> Path:
    """Where a run in `workdir` keeps its checkpoints."""
    return Path(workdir).absolute() / "checkpoints"


class Checkpoints:
    """The checkpoints of one run, for writing; a context manager that waits for the last save to be on disk."""

    def __init__(self, workdir: str | Path, config: TrainConfig):
        """Open, and create if need be, the checkpoints of the run in `workdir`.

        Raises:
            UserError: the folder cannot be made or written.
        """
        self._config = config
        try:
            directory(workdir).mkdir(parents=True, exist_ok=True)
            newest: Any = ocp.training.preservation_policies.LatestN(config.keep_checkpoints)
            self._checkpointer = ocp.training.Checkpointer(
                directory(workdir),
                preservation_policy=newest,
                cleanup_tmp_directories=True,
            )
        except OSError as error:
            raise UserError(
                f"the work directory {workdir} cannot be written ({error}): give another by --workdir"
            ) from error

    def __enter__(self) -> Self:
        """The object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for saves in flight and let go of the folder."""
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
        """
        self._checkpointer.wait()
        self._checkpointer.save_async(
            int(state.step),
            _as_dict(state),
            # The loop decides when to save; Orbax's own policy would skip saves.
            force=True,
            custom_metadata={"config": config_lib.to_dict(self._config), "data_position": data_position},
        )

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any], TrainConfig]:
        """The newest state, with the types and placement of `like`, the data position, and the config it ran with.

        Raises:
            UserError: there is no checkpoint, or its state is of another shape.
        """
        step = self.latest_step()
        if step is None:
            raise UserError(f"there is no checkpoint in {self._checkpointer.directory}")
        metadata: Any = self._checkpointer.metadata(step).custom_metadata
        saved_config = config_lib.from_dict(metadata["config"])
        if _shapes(like) != _shapes(_saved_shapes(saved_config)):
            raise UserError(
                f"the checkpoint of step {step} in {self._checkpointer.directory} is of another architecture than the "
                f"config ({', '.join(config_lib.differences(saved_config, self._config))}): use the run's own config, "
                "or another --workdir for a new run"
            )
        values = self._checkpointer.load(step, _as_dict(jax.tree.map(_abstract, like)))
        return like._replace(**values), metadata["data_position"], saved_config


def load_config(run: str | Path, step: int | None = None) -> tuple[TrainConfig, int]:
    """The config of a run's checkpoint, by default the newest, and its step.

    Raises:
        UserError: `run` holds no checkpoint, or not that one.
    """
    step, path = _find(run, step)
    metadata: Any = ocp.metadata(path).custom_metadata
    return config_lib.from_dict(metadata["config"]), step


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
    with context:
        return ocp.load(path, {field: {direction: wanted}}, checkpointable_name="state")[field][direction]


def _find(run: str | Path, step: int | None) -> tuple[int, Path]:
    folder = directory(run)
    # A folder that was made but never finished has a number for its name, too.
    numbered = (path for path in folder.glob("*") if re.fullmatch(r"\d+", path.name))
    steps = sorted(int(path.name) for path in numbered if ocp.is_orbax_checkpoint(path))
    if not steps:
        raise UserError(f"{run} holds no checkpoint: name the work directory of a run, such as runs/streets")
    if step is not None and step not in steps:
        raise UserError(f"{run} holds no checkpoint of step {step}; it has {', '.join(map(str, steps))}")
    step = steps[-1] if step is None else step
    return step, folder / str(step)


def _as_dict(state: TrainState) -> dict[str, Any]:
    """The state by field name, without what is switched off: a layout that a notebook can read without this package."""
    return {name: value for name, value in state._asdict().items() if value is not None}


def _saved_shapes(config: TrainConfig) -> TrainState:
    """The state that a run of this config saves, without its values."""
    return jax.eval_shape(lambda: state_lib.create(config, optimizer.adam(config.optimizer)))


def _shapes(state: TrainState) -> Any:
    leaves, structure = jax.tree.flatten(state)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _abstract(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
