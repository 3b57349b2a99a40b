"""Fresh weights: the one place where they are drawn, for a single module and for training alike."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from cyclegan_jax.config import Initializer
from cyclegan_jax.networks.layers import Conv, TransposedConv


@dataclass(frozen=True)
class Init:
    """The distribution of fresh weights. The default is the paper's (appendix 7.1): kernels from N(0, 0.02).

    Attributes:
        kind: the distribution of kernels, `TrainConfig.init`; with fans as PyTorch counts them.
        gain: of `normal` the standard deviation, of `xavier` and `orthogonal` a factor; `TrainConfig.init_gain`.
    """

    kind: Initializer = "normal"
    gain: float = 0.02


PAPER: Final = Init()


def draw(network: nnx.Module, key: Key[Array, ""], init: Init = PAPER) -> None:
    """Set all parameters of a network to fresh values.

    Kernels are distributed as `init` says, and scales of batch norms as N(1, gain), as in the official code. Other
    scales and running variances are 1, and the rest is 0.

    All kernels are cut out of one draw, in the order of their sorted paths. Drawing layer by layer, as Flax's
    initializers do, compiles a random generator for each shape of kernel: 6 s per network on a slow CPU instead of
    0.3 s.

    Args:
        network: a network of `layers.Conv`; the types of its parameters stay as they are.
        key: the random key.
        init: the distribution.
    """
    leaves, structure = jax.tree.flatten_with_path(params(network))
    layers = {path: layer for path, layer in nnx.iter_modules(network) if isinstance(layer, Conv)}
    places = [(path[-1].key, layers[tuple(entry.key for entry in path[:-1])], leaf) for path, leaf in leaves]
    std = init.gain if init.kind == "normal" else 1.0
    kernels = _normals(key, std, [leaf for name, _, leaf in places if name == "kernel"])
    random_scales = [leaf for name, layer, leaf in places if _is_random_scale(name, layer)]
    scales = _normals(jax.random.fold_in(key, 1), init.gain, random_scales) if random_scales else iter(())

    def fresh(name: str, layer: Conv, leaf: Array) -> Array:
        if name == "kernel":
            return _kernel(next(kernels), layer, init.kind, init.gain)
        if _is_random_scale(name, layer):
            return 1 + next(scales)
        return jnp.full(leaf.shape, name in ("scale", "var"), leaf.dtype)

    nnx.update(network, jax.tree.unflatten(structure, [fresh(*place) for place in places]))


def params(network: nnx.Module) -> dict[str, Any]:
    """The parameters of a network as nested plain dictionaries of arrays."""
    return nnx.to_pure_dict(nnx.state(network, nnx.Param))


def _is_random_scale(name: str, layer: Conv) -> bool:
    return name == "scale" and layer.norm == "batch"


def _normals(key: Key[Array, ""], std: float, leaves: list[Array]) -> Iterator[Array]:
    """An array from N(0, std) for each leaf, all cut out of one draw."""
    ends = list(accumulate(leaf.size for leaf in leaves))
    draws = std * jax.random.normal(key, (ends[-1],), leaves[0].dtype)
    return (draws[end - leaf.size : end].reshape(leaf.shape) for end, leaf in zip(ends, leaves, strict=True))


def _kernel(normal: Float[Array, "k k I O"], layer: Conv, kind: Initializer, gain: float) -> Float[Array, "k k I O"]:
    """A kernel from one of the same shape whose values are normal, already with the right deviation for `normal`."""
    if kind == "normal":
        return normal
    side, _, inputs, outputs = normal.shape
    # PyTorch keeps the kernels of transposed convolutions as (in, out), and counts fans by position.
    first, second = (inputs, outputs) if isinstance(layer, TransposedConv) else (outputs, inputs)
    if kind == "xavier":
        return gain * math.sqrt(2 / (side**2 * (first + second))) * normal
    if kind == "kaiming":
        return math.sqrt(2 / (side**2 * second)) * normal
    rows = normal.transpose(2, 3, 0, 1) if isinstance(layer, TransposedConv) else normal.transpose(3, 2, 0, 1)
    matrix = gain * _orthogonal(rows.reshape(first, -1))
    rows = matrix.reshape(first, second, side, side)
    return rows.transpose(2, 3, 0, 1) if isinstance(layer, TransposedConv) else rows.transpose(2, 3, 1, 0)


def _orthogonal(normal: Float[Array, "R C"]) -> Float[Array, "R C"]:
    """Orthonormal rows, or columns where there are fewer of them, uniformly distributed for a normal matrix."""
    if normal.shape[0] < normal.shape[1]:
        return _orthogonal(normal.T).T
    basis, triangle = jnp.linalg.qr(normal)
    return basis * jnp.sign(jnp.diagonal(triangle))
