"""Batch norm in training: it normalises by the batch at hand, and moves the running statistics that are used later.

As `torch.nn.BatchNorm2d`: the batch's variance is biased where it normalises and unbiased in the running one, and each
pass moves the running statistics by a tenth. The networks stay pure: a pass returns its statistics, and the training
step folds those of all passes into the parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cyclegan_jax.networks import weights
from cyclegan_jax.networks.frame import WholeArray

MOMENTUM: Final = 0.1
"""How far one pass moves the running statistics towards those of its batch."""

Statistics = list[Float[Array, " _"]]
"""The means and variances of one pass, in the order of the network's parameters; empty without batch norm."""
Average = Callable[[Any], Any]
"""Averages a pytree over the devices that share a batch."""


@dataclass(frozen=True)
class OverBatch(WholeArray):
    """The image fills its array, and batch norm takes its statistics from the batch.

    Attributes:
        average: averages over the devices that share the batch.
        devices: how many they are.
    """

    average: Average
    devices: int

    def batch_statistics(self, h: Float[Array, "N h w O"]) -> tuple[Float[Array, " O"], Float[Array, " O"], int]:
        """Mean, biased variance, and the number of values that they are of, for each channel."""
        mean = self.average(h.mean((0, 1, 2)))
        # From the distances to the mean of the whole batch: mean(x^2) - mean(x)^2 would cancel digits.
        var = self.average(jnp.square(h - mean).mean((0, 1, 2)))
        return mean, var, self.devices * h.size // h.shape[-1]


def statistics_of(network: nnx.Module) -> Statistics:
    """The statistics that a pass has left in a network that was made for it."""
    return [leaf for path, leaf in jax.tree.leaves_with_path(weights.params(network)) if is_statistic(path)]


def fold(params: Any, passes: Sequence[Statistics]) -> Any:
    """The parameters of a network with running statistics after some passes, one after the other."""
    leaves, structure = jax.tree.flatten_with_path(params)
    # For each statistic its values in all passes, in order.
    values = iter(zip(*passes, strict=True))
    return jax.tree.unflatten(
        structure, [_moved(leaf, next(values)) if is_statistic(path) else leaf for path, leaf in leaves]
    )


def _moved(running: Array, values: Sequence[Array]) -> Array:
    for value in values:
        running = (1 - MOMENTUM) * running + MOMENTUM * value.astype(running.dtype)
    return running


def is_statistic(path: Any) -> bool:
    """Whether a path in the parameters is that of a running statistic, which nothing descends."""
    return path[-1].key in ("mean", "var")
