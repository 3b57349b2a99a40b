"""The four networks of a CycleGAN together: definitions from a config, parameters, and how to apply them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks.discriminator import NLayerDiscriminator, PatchGAN, PyTorchGANDiscriminator
from cyclegan_jax.networks.generator import ResNetGenerator
from cyclegan_jax.networks.layers import INIT_STD

Params = dict[str, Any]
"""The parameters of several networks by name (`AtoB`, `BtoA`, or `A`, `B`), each a nested dict of arrays."""


@dataclass(frozen=True)
class Networks:
    """The definitions, without weights, of the four networks.

    Attributes:
        generators: by direction: `AtoB` is the paper's G, `BtoA` its F.
        discriminators: by the domain whose images they judge: `B` is the paper's D_Y, `A` its D_X.
    """

    generators: dict[Direction, nnx.GraphDef[ResNetGenerator]]
    discriminators: dict[Domain, nnx.GraphDef[PatchGAN]]

    def generate(
        self, params: Params, direction: Direction, images: jax.Array, dropout_keys: jax.Array | None = None
    ) -> jax.Array:
        """Translate (N, H, W, C) images in [-1, 1] with the generator of `direction` in `params`."""
        return nnx.merge(self.generators[direction], params[direction])(images, dropout_keys)

    def judge(self, params: Params, domain: Domain, images: jax.Array) -> jax.Array:
        """Patch scores (N, h, w, 1) of (N, H, W, C) images in [-1, 1] by the discriminator of `domain` in `params`."""
        return nnx.merge(self.discriminators[domain], params[domain])(images)


def make_generator(config: TrainConfig, direction: Direction, rngs: nnx.Rngs) -> ResNetGenerator:
    """The generator that translates in `direction`, with fresh weights."""
    source, target = _domains(direction)
    channels = config.data.channels(source), config.data.channels(target)
    return ResNetGenerator(config.generator, *channels, dtype=jnp.dtype(config.dtype), rngs=rngs)


def make_discriminator(config: TrainConfig, domain: Domain, rngs: nnx.Rngs) -> PatchGAN:
    """The discriminator that judges images of `domain`, with fresh weights."""
    channels, width, dtype = config.data.channels(domain), config.discriminator.width, jnp.dtype(config.dtype)
    if config.discriminator.kind == "pytorch_gan":
        return PyTorchGANDiscriminator(channels, width, dtype=dtype, rngs=rngs)
    return NLayerDiscriminator(channels, width, config.discriminator.n_layers, dtype=dtype, rngs=rngs)


def define(config: TrainConfig, sizes: Mapping[Domain, tuple[int, int]] | None = None) -> Networks:
    """The definitions of the config's four networks.

    Args:
        config: the experiment.
        sizes: height and width of each domain's training images, where they are not squares of `data.image_size`.

    Raises:
        UserError: the size of the training images is not one that they take.
    """

    def shapes(make: Any, name: str) -> Any:
        network = nnx.eval_shape(lambda: make(config, name, nnx.Rngs(0)))
        _check_image_size(config, network, sizes)
        return nnx.graphdef(network)

    return Networks(
        generators={"AtoB": shapes(make_generator, "AtoB"), "BtoA": shapes(make_generator, "BtoA")},
        discriminators={"A": shapes(make_discriminator, "A"), "B": shapes(make_discriminator, "B")},
    )


def initialize(config: TrainConfig, key: jax.Array) -> dict[str, Params]:
    """Fresh parameters, each network from a key of its own.

    Returns:
        `{"generators": {"AtoB": ..., "BtoA": ...}, "discriminators": {"A": ..., "B": ...}}`, weights from N(0, 0.02)
        and zero biases, float32 (float64 where `config.dtype` is).
    """
    keys = jax.random.split(key, 4)
    return {
        "generators": {
            "AtoB": _draw_params(lambda rngs: make_generator(config, "AtoB", rngs), keys[0]),
            "BtoA": _draw_params(lambda rngs: make_generator(config, "BtoA", rngs), keys[1]),
        },
        "discriminators": {
            "A": _draw_params(lambda rngs: make_discriminator(config, "A", rngs), keys[2]),
            "B": _draw_params(lambda rngs: make_discriminator(config, "B", rngs), keys[3]),
        },
    }


def _draw_params(make: Callable[[nnx.Rngs], nnx.Module], key: jax.Array) -> Params:
    """The parameters of a network, drawn at once and cut into its kernels.

    The modules draw layer by layer; compiling a random generator for each shape of kernel takes 6 s a network on a slow
    CPU, all four in one program 15 s, and this 0.3 s.
    """
    shapes: Params = nnx.to_pure_dict(nnx.state(nnx.eval_shape(lambda: make(nnx.Rngs(0))), nnx.Param))
    leaves, structure = jax.tree.flatten_with_path(shapes)
    is_kernel = [path[-1].key == "kernel" for path, _ in leaves]
    ends = np.cumsum([leaf.size if kernel else 0 for kernel, (_, leaf) in zip(is_kernel, leaves, strict=True)])
    draws = INIT_STD * jax.random.normal(key, (int(ends[-1]),), leaves[0][1].dtype)
    values = [
        draws[end - leaf.size : end].reshape(leaf.shape) if kernel else jnp.zeros(leaf.shape, leaf.dtype)
        for kernel, end, (_, leaf) in zip(is_kernel, ends, leaves, strict=True)
    ]
    params: Params = jax.tree.unflatten(structure, values)
    return params


def _domains(direction: Direction) -> tuple[Domain, Domain]:
    return ("A", "B") if direction == "AtoB" else ("B", "A")


def _check_image_size(
    config: TrainConfig, network: ResNetGenerator | PatchGAN, sizes: Mapping[Domain, tuple[int, int]] | None
) -> None:
    multiple, minimum = network.size_multiple, network.min_size
    if sizes is not None:
        for domain, (height, width) in sizes.items():
            if min(height, width) < minimum or height % multiple or width % multiple:
                raise UserError(
                    f"the training images of domain {domain} are {width}x{height} pixels, but {type(network).__name__} "
                    f"needs multiples of {multiple} that are at least {minimum}: choose another data.preprocess"
                )
        return
    size = config.data.image_size
    if not config.data.crops:
        return  # the data decide
    if size % multiple or size < minimum:
        nearest = max(-(-minimum // multiple) * multiple, round(size / multiple) * multiple)
        raise UserError(
            f"data.image_size is {size}, but {type(network).__name__} needs a multiple of {multiple} that is at least "
            f"{minimum}: take {nearest}"
        )
