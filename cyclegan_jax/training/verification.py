"""Making the steps between two checkpoints of a run again, and comparing the result with the later one, bit for bit."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from cyclegan_jax import files, user_functions
from cyclegan_jax.checkpoints import folders, layout, run_epochs
from cyclegan_jax.checkpoints.checksums import leaf_names
from cyclegan_jax.checkpoints.failures import DamagedError
from cyclegan_jax.checkpoints.opened import Checkpoint, open_checkpoint
from cyclegan_jax.checkpoints.restore import restore
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices import environment, float64
from cyclegan_jax.errors import UserError
from cyclegan_jax.state import TrainState
from cyclegan_jax.training import plateau
from cyclegan_jax.training.preparation import PreparedSteps, prepare_steps
from cyclegan_jax.training.steps import StepMaker


@dataclasses.dataclass(frozen=True)
class Verification:
    """How steps that were made again compare with those of the run.

    Attributes:
        first: the step of the earlier checkpoint.
        last: the step of the later one.
        arrays: the number of arrays compared.
        differing: the largest absolute difference of each array whose bits differ, by its name.
        position: this computation's position in the data, and the later checkpoint's, where they differ.
        seconds: how long it took.
        changed_config: the config fields that the two checkpoints differ in, as `name old -> new`.
        changed_environment: where versions and hardware differ from those that saved the later checkpoint; None where
            it does not record them.
    """

    first: int
    last: int
    arrays: int
    differing: dict[str, float]
    position: tuple[dict[str, int], dict[str, int]] | None
    seconds: float
    changed_config: list[str]
    changed_environment: list[str] | None

    @property
    def equal(self) -> bool:
        """Whether every bit is the same."""
        return not self.differing and self.position is None


def verify(
    run: str | Path,
    first: int | str | None = None,
    steps: int | None = None,
    *,
    data_dir: str | None = None,
    allow_code: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verification:
    """Make the steps between two checkpoints of a run again, with the later one's config; writes nothing into the run.

    Args:
        run: the work directory of the run, which may be training.
        first: the step of the earlier checkpoint, or "epoch:N", the one that ends the epoch N; None is the one
            before the newest.
        steps: how many steps later the other checkpoint is; None is the next one.
        data_dir: the folder of the data; None is the folder that the run was trained from.
        allow_code: whether to import the modules that the run's config names, if it does.
        progress: called with the steps made and all steps.

    Raises:
        UserError: the run has no two such checkpoints, one is damaged, the data is missing or another, or there are
            more or fewer devices than the run had.
    """
    begin = time.monotonic()
    earlier, later = (open_checkpoint(run, step) for step in _choose(run, first, steps))
    config = later.config
    user_functions.check_allowed(config.data.source, "data.source", allow_code=allow_code)
    user_functions.check_allowed(config.loss.extra, "loss.extra", allow_code=allow_code)
    if data_dir is not None:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=data_dir))
    now = environment.environment()
    _check_devices(later, now)
    with float64.allowed(config):
        # Both are read now: a training beside this one deletes old checkpoints.
        expected = _reading(later, lambda: jax.device_get(later.state()))
        prepared = _prepare(config)
        state, changed = _restore(prepared, earlier)
        state = _make_steps(prepared, state, later.step, Path(run), progress)
        made = jax.device_get(layout.as_dict(state))
    saved = later.metadata.get("environment")
    return Verification(
        first=earlier.step,
        last=later.step,
        arrays=len(leaf_names(made)),
        differing=_differing(made, expected),
        position=_other_position(prepared.batches.get_state(), later.metadata["data_position"]),
        seconds=time.monotonic() - begin,
        changed_config=[change for change in changed if data_dir is None or not change.startswith("data.dir ")],
        changed_environment=None if saved is None else environment.changes(saved, now),
    )


def _choose(run: str | Path, first: int | str | None, steps: int | None) -> tuple[int, int]:
    """Return the steps of the two checkpoints to compare."""
    present = folders.required_steps(run)
    listed = ", ".join(map(str, present))
    if len(present) == 1:
        raise UserError(
            f"{run} has only the checkpoint of step {listed}, and verify compares two: train with --keep_checkpoints=2 "
            "or more, and wait for the next checkpoint"
        )
    if first is None:
        first = present[-2] if steps is None else present[-1] - steps
    if isinstance(first, str):
        first = run_epochs.step_of(run, first)
    if first not in present:
        raise UserError(f"{run} has no checkpoint of step {first}: choose --step from {listed}")
    after = [step for step in present if step > first]
    if not after:
        raise UserError(f"{run} has no checkpoint after step {first}: choose an earlier --step from {listed}")
    last = after[0] if steps is None else first + steps
    if last not in present:
        raise UserError(
            f"{run} has no checkpoint of step {last}, which is --step {first} + --steps {steps}: it has {listed}"
        )
    return first, last


def _check_devices(later: Checkpoint, now: dict[str, Any]) -> None:
    saved = later.metadata.get("environment", {}).get("devices", now["devices"])
    if saved != now["devices"]:
        raise UserError(
            f"the steps before {later.path} were made on {_devices(saved)}, but JAX sees {_devices(now['devices'])} "
            "here, and would round differently: make as many visible, for example with CUDA_VISIBLE_DEVICES, or on CPU "
            f"with XLA_FLAGS=--xla_force_host_platform_device_count={saved}"
        )


def _devices(number: int) -> str:
    return f"{number} device{'s' if number > 1 else ''}"


def _prepare(config: TrainConfig) -> PreparedSteps:
    try:
        return prepare_steps(config)
    except UserError as error:
        raise UserError(
            f"the steps cannot be made again: {error}. Data that has moved is found by --data_dir"
        ) from error


def _restore(prepared: PreparedSteps, earlier: Checkpoint) -> tuple[TrainState, list[str]]:
    """Load the earlier checkpoint, set the position in the data, and return the state and the changed config fields."""
    restored = _reading(earlier, lambda: restore(earlier, prepared.config, prepared.new_state(), allow_changes=True))
    batches, position = prepared.batches, restored.data_position
    if changed := batches.changed_number(position) or batches.changed_images(position):
        raise UserError(f"{changed}: give the folder of the run's own data by --data_dir")
    prepared.batches.set_state(restored.data_position)
    return restored.state, restored.changed


def _reading(checkpoint: Checkpoint, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except DamagedError as error:
        if files.exists(checkpoint.path):
            raise
        raise UserError(
            f"the run deleted its checkpoint of step {checkpoint.step} while it was being read: run verify again"
        ) from error


def _make_steps(
    prepared: PreparedSteps, state: TrainState, last: int, workdir: Path, progress: Callable[[int, int], None]
) -> TrainState:
    first = step = int(state.step)
    maker = StepMaker(prepared, state, last)
    while step < last:
        state = plateau.fed(state, step, prepared.config, prepared.periods, workdir)
        number, batch = maker.next_batch(step)
        state, _ = maker.call(number, state, batch)
        step += number
        progress(step - first, last - first)
    prepared.batches.close()
    return state


def _differing(made: Any, expected: Any) -> dict[str, float]:
    """The largest absolute difference of the arrays whose bits differ, largest first."""
    pairs = zip(leaf_names(made), jax.tree.leaves(made), jax.tree.leaves(expected), strict=True)
    # Bytes, not values: NaN differs from itself, and 0.0 equals -0.0.
    found = {name: _largest(one, other) for name, one, other in pairs if one.tobytes() != other.tobytes()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _largest(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.max(np.abs(one.astype(np.float64) - other.astype(np.float64)), initial=0.0))


def _other_position(made: dict[str, int], expected: dict[str, int]) -> tuple[dict[str, int], dict[str, int]] | None:
    # Early versions did not save the numbers of images.
    return (made, expected) if any(made[name] != value for name, value in expected.items()) else None
