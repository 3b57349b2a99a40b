"""Memory for time: passes through a network whose activations are not kept for the gradients but computed once more."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Generate = Callable[[Any, jax.Array, jax.Array | None], jax.Array]
"""From parameters, images (N, H, W, C) in [-1, 1] and dropout keys (N,) or None to images."""


class Recomputed:
    """Calls functions so that their gradients compute the activations again, for one call after the other.

    `jax.checkpoint` asks for the same by a barrier that XLA heeds on accelerators. On CPU, XLA removes the barrier
    before it orders the program, computes everything for a second time right away, and keeps it as before (jaxlib
    0.10: 1.05 times the memory in place of less). So here the second computation takes in numbers that are not known
    earlier: the cotangent of its output, and a gradient from the call whose turn it is before.
    """

    def __init__(self) -> None:
        self._turn = jnp.zeros(())

    def __call__(self, generate: Generate, params: Any, images: jax.Array, keys: jax.Array | None) -> jax.Array:
        """The value of `generate(params, images, keys)`."""
        output, self._turn = _recomputed(generate)(params, images, keys, self._turn)
        return output


def _recomputed(generate: Generate) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """`generate` that takes and gives a number too, 0, whose cotangents run from the last call back to the first."""

    @jax.custom_vjp
    def once(params: Any, images: jax.Array, keys: jax.Array | None, turn: jax.Array) -> tuple[jax.Array, jax.Array]:
        return generate(params, images, keys), turn

    def forward(params: Any, images: jax.Array, keys: jax.Array | None, turn: jax.Array) -> tuple[Any, Any]:
        return once(params, images, keys, turn), (params, images, keys)

    def backward(residuals: tuple[Any, ...], cotangents: tuple[jax.Array, jax.Array]) -> tuple[Any, ...]:
        params, images, keys = residuals
        cotangent, turn = cotangents
        images = images + _zero_after([cotangent, turn]).astype(images.dtype)
        _, pull_back = jax.vjp(lambda p, x: generate(p, x, keys), params, images)
        params_cotangent, images_cotangent = pull_back(cotangent)
        turn = _zero_after(jax.tree.leaves(params_cotangent)).astype(turn.dtype)
        return params_cotangent, images_cotangent, None, turn

    once.defvjp(forward, backward)
    return once


def _zero_after(arrays: list[jax.Array]) -> jax.Array:
    """0, by an expression that a compiler cannot simplify or compute before all of the arrays are there."""
    arrays = jax.lax.optimization_barrier(arrays)
    # The arrays are gradients: where one is not a number the step is lost anyway, and NaN is as good as 0.
    firsts = [array[(0,) * array.ndim] for array in arrays]
    return sum((jnp.where(jnp.isnan(first), first, 0) for first in firsts), jnp.zeros(()))
