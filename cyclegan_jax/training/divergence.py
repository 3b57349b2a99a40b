"""The check that losses and train state are finite, so that a diverged state is never saved."""

import contextlib
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.devices import distributed
from cyclegan_jax.errors import UserError
from cyclegan_jax.state import TrainState
from cyclegan_jax.training.progress import Scalars


class DivergedError(UserError):
    """A loss or a number of the train state is not finite; the last good checkpoint is kept."""


def check_losses(scalars: Scalars, step: int, checkpoints: CheckpointWriter) -> None:
    """Check the metrics of a step.

    Raises:
        DivergedError: one of them is not finite.
    """
    for name, value in scalars.items():
        if not math.isfinite(value):
            raise _diverged(f"the loss term {name} is {value}", step, checkpoints)


def check_state(train_state: TrainState, step: int, checkpoints: CheckpointWriter) -> None:
    """Check the state that is about to be saved.

    Raises:
        DivergedError: a number of it is not finite.
    """
    # Finite losses are not enough: a step computes them before its update. Nor are finite parameters: with an infinite
    # second moment Adam divides by infinity, and the parameters stay what they are for ever.
    for name, finite in jax.device_get(_finite_fields(train_state)).items():
        if not finite:
            raise _diverged(f"a number in the {name.replace('_', ' ')} is not finite", step, checkpoints)


@jax.jit
def _finite_fields(train_state: TrainState) -> dict[str, Bool[Array, ""]]:
    def finite(tree: object) -> Bool[Array, ""]:
        return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))

    return {name: finite(value) for name, value in train_state._asdict().items() if value is not None}


def _diverged(what: str, step: int, checkpoints: CheckpointWriter) -> DivergedError:
    # The save under way is of an earlier, good state. If it fails, the one before it is the last good one.
    with contextlib.suppress(UserError):
        checkpoints.wait()
    last_good = checkpoints.latest_step()
    # All processes see the same numbers and fail here together; see distributed.failing_together.
    distributed.wait_for_all("diverged")
    kept = f"the checkpoint of step {last_good:,} is kept" if last_good else "no checkpoint had been saved yet"
    return DivergedError(
        f"training diverged at step {step:,}: {what}; {kept}. Lower --optimizer.learning_rate, or look for broken "
        "images in the data set"
    )
