"""The file of PyTorch's recorded numbers, and the networks that it is about; needs no PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float64

from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.networks.discriminator import NLayerDiscriminator, PatchGAN, PyTorchGANDiscriminator
from cyclegan_jax.networks.generator import ResNetGenerator

PATH: Final = Path(__file__).with_name("recorded.npz")
WIDTH: Final = 3

Record = dict[str, np.ndarray]


@dataclass(frozen=True)
class RecordedNetwork:
    """A network of the record: how to make ours, and the size of its input."""

    make: Callable[[], ResNetGenerator | PatchGAN]
    size: tuple[int, int]

    def input(self) -> Float64[np.ndarray, "2 H W 3"]:
        return np.random.default_rng(0).uniform(-1, 1, (2, *self.size, 3))


def _generator(upsample: Any) -> ResNetGenerator:
    config = GeneratorConfig(blocks=1, width=WIDTH, upsample=upsample)
    return ResNetGenerator(config, 3, 3, key=jax.random.key(0), dtype=jnp.dtype("float64"))


NETWORKS: Final = {
    "resize": RecordedNetwork(lambda: _generator("resize"), (12, 16)),
    "transposed": RecordedNetwork(lambda: _generator("transposed"), (12, 16)),
    "n_layers": RecordedNetwork(
        lambda: NLayerDiscriminator(3, WIDTH, key=jax.random.key(0), dtype=jnp.dtype("float64")), (24, 32)
    ),
    "pytorch_gan": RecordedNetwork(
        lambda: PyTorchGANDiscriminator(3, WIDTH, key=jax.random.key(0), dtype=jnp.dtype("float64")), (32, 48)
    ),
}


def read() -> Record:
    """All recorded arrays by name."""
    with np.load(PATH) as file:
        return dict(file)


def fresh_params(module: nnx.Module) -> Any:
    """The parameters of a module as nested dictionaries."""
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def weighting(shape: tuple[int, ...]) -> np.ndarray:
    """Weights of the outputs in the scalar whose gradients are recorded."""
    return np.random.default_rng(1).normal(size=shape)


def flatten(prefix: str, tree: Any, dtype: type[np.floating[Any]]) -> Record:
    """A tree of arrays as entries of a record."""
    return {
        name: np.asarray(leaf, dtype) for name, leaf in zip(_names(prefix, tree), jax.tree.leaves(tree), strict=True)
    }


def unflatten(record: Record, prefix: str, like: Any) -> Any:
    """The tree that `flatten` was given, in the structure of `like`."""
    leaves = [jnp.asarray(record[name], jnp.float64) for name in _names(prefix, like)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _names(prefix: str, tree: Any) -> list[str]:
    return [f"{prefix}{jax.tree_util.keystr(path)}" for path, _ in jax.tree.leaves_with_path(tree)]
