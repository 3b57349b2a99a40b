"""Less memory for more time: calls whose activations are not kept for the gradients but computed a second time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Images = Float[Array, "N H W C"]
Keys = Key[Array, " N"] | None
Generate = Callable[[Any, Images, Keys], Any]
"""A network: from parameters, images in [-1, 1] and dropout keys, or None, to images, and arrays beside them."""


class Recomputed:
    """Calls functions so that their gradients compute the activations again, one call after the other.

    `jax.checkpoint` requests the same with a barrier, which XLA respects on accelerators. On CPU, XLA removes the
    barrier before it schedules the program. It then computes everything a second time right away, and keeps it as
    before (jaxlib 0.10: 1.05 times the memory instead of less). So here the second computation depends on numbers that
    are not known earlier: the cotangent of its output, and a gradient of the call that has to be finished before.
    """

    def __init__(self) -> None:
        # A scalar 0 that each call passes on to the next. Backwards, its cotangent runs from the last call to the first
        # and makes each wait for the one after it, so that only one call's activations exist at a time.
        self._turn = jnp.zeros(())

    def __call__(self, generate: Generate, params: Any, images: Images, keys: Keys) -> Any:
        """Return `generate(params, images, keys)`."""
        output, self._turn = _recomputed(generate)(params, images, keys, self._turn)
        return output


def _recomputed(generate: Generate) -> Callable[..., tuple[Any, Array]]:
    """`generate` with the turn as a further argument and a further result."""

    @jax.custom_vjp
    def once(params: Any, images: Images, keys: Keys, turn: Float[Array, ""]) -> tuple[Any, Array]:
        return generate(params, images, keys), turn

    def forward(params: Any, images: Images, keys: Keys, turn: Float[Array, ""]) -> tuple[Any, Any]:
        # Only the inputs are kept.
        return once(params, images, keys, turn), (params, images, keys)

    def backward(residuals: tuple[Any, ...], cotangents: tuple[Any, Array]) -> tuple[Any, ...]:
        params, images, keys = residuals
        cotangent, turn = cotangents
        images = images + _zero_after([*jax.tree.leaves(cotangent), turn]).astype(images.dtype)
        _, pull_back = jax.vjp(lambda p, x: generate(p, x, keys), params, images)
        params_cotangent, images_cotangent = pull_back(cotangent)
        turn = _zero_after(jax.tree.leaves(params_cotangent)).astype(turn.dtype)
        return params_cotangent, images_cotangent, None, turn

    once.defvjp(forward, backward)
    return once


def _zero_after(arrays: list[Array]) -> Float[Array, ""]:
    """0, from an expression that a compiler can neither simplify nor compute before all of the arrays are known."""
    arrays = jax.lax.optimization_barrier(arrays)
    # The value depends on the arrays, since it is NaN where one starts with NaN. They are gradients: then the step is
    # lost anyway. In all other cases it is 0.
    firsts = [array[(0,) * array.ndim] for array in arrays]
    return sum((jnp.where(jnp.isnan(first), first, 0) for first in firsts), jnp.zeros(()))
