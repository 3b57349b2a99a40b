"""Starting a new run from the weights of another."""

import logging
from pathlib import Path

import jax
import jax.numpy as jnp

from cyclegan_jax.checkpoints.checksums import leaf_names
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.errors import UserError
from cyclegan_jax.state import TrainState

_LOG = logging.getLogger(__name__)

_LISTED_AT_MOST = 4
"""Arrays listed by name in the log line; the rest are counted."""


def start_from(run: str | Path, state: TrainState, step: int | str | None = None) -> TrainState:
    """Copy the weights of another run's checkpoint into a new run's first state, where name and shape fit.

    Only the networks are copied, and their moving average: optimizers, pools and counters start anew. A new run that
    keeps an average starts it from the old run's, or from its weights where there is none.

    Args:
        run: the work directory of the old run, or the folder of one of its checkpoints.
        state: the new run's state before its first step.
        step: which checkpoint, see `open_checkpoint`; a snapshot has no discriminators, and they start fresh.

    Raises:
        UserError: there is no whole checkpoint, or none of its arrays fits.
    """
    checkpoint = open_checkpoint(run, step)
    old = checkpoint.state()
    averaged = old.get("ema", old["generators"])
    available = {"generators": old["generators"], "discriminators": old.get("discriminators", {}), "ema": averaged}
    found = dict(zip(leaf_names(available), jax.tree.leaves(available), strict=True))
    new = {"generators": state.generators, "discriminators": state.discriminators, "ema": state.ema}

    left_out = []
    leaves = []
    for name, leaf in zip(leaf_names(new), jax.tree.leaves(new), strict=True):
        value = found.get(name)
        if value is None:
            left_out.append(f"{name} (not there)")
        elif value.shape != leaf.shape:
            left_out.append(f"{name} {value.shape} there, {leaf.shape} here")
        else:
            # A copy: weights that also start the average would otherwise share a buffer with it, and the training step
            # donates each buffer of the state once.
            leaf = jax.device_put(jnp.array(value, leaf.dtype, copy=True), leaf.sharding)
        leaves.append(leaf)
    taken = len(leaves) - len(left_out)
    if not taken:
        raise UserError(
            f"nothing of --init_from={run} fits this config: none of its arrays has the same name and shape"
        )
    line = f"starting from the weights of {run} at {checkpoint.named}: {taken} of {len(leaves)} arrays"
    if left_out:
        more = f" and {len(left_out) - _LISTED_AT_MOST} more" if len(left_out) > _LISTED_AT_MOST else ""
        line += f"; new: {', '.join(left_out[:_LISTED_AT_MOST])}{more}"
    _LOG.info(line)
    return state._replace(**jax.tree.unflatten(jax.tree.structure(new), leaves))
