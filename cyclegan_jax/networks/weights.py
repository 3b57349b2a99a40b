"""Fresh weights: the one place where they are drawn, for a single module and for training alike."""

from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Key

INIT_STD: Final = 0.02
"""Convolution kernels are drawn from N(0, 0.02), biases are 0 (paper, appendix 7.1, and the official code)."""


def draw(network: nnx.Module, key: Key[Array, ""]) -> None:
    """Set all kernels of a network to values from N(0, 0.02), all scales and running variances to 1, the rest to 0.

    All kernels are cut out of one draw, in the order of their sorted paths. Drawing layer by layer, as Flax's
    initializers do, compiles a random generator for each shape of kernel: 6 s per network on a slow CPU instead of
    0.3 s.

    Args:
        network: a network of `layers.Conv`; the types of its parameters stay as they are.
        key: the random key.
    """
    leaves, structure = jax.tree.flatten_with_path(params(network))
    is_kernel = [path[-1].key == "kernel" for path, _ in leaves]
    ends = np.cumsum([leaf.size if kernel else 0 for kernel, (_, leaf) in zip(is_kernel, leaves, strict=True)])
    draws = INIT_STD * jax.random.normal(key, (int(ends[-1]),), leaves[0][1].dtype)
    values = [
        draws[end - leaf.size : end].reshape(leaf.shape)
        if kernel
        else jnp.full(leaf.shape, path[-1].key in ("scale", "var"), leaf.dtype)
        for kernel, end, (path, leaf) in zip(is_kernel, ends, leaves, strict=True)
    ]
    nnx.update(network, jax.tree.unflatten(structure, values))


def params(network: nnx.Module) -> dict[str, Any]:
    """The parameters of a network as nested plain dictionaries of arrays."""
    return nnx.to_pure_dict(nnx.state(network, nnx.Param))
