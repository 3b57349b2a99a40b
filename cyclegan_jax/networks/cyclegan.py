"""The four networks of a CycleGAN together: definitions from a config, parameters, and how to apply them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key

from cyclegan_jax import image_size
from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import weights
from cyclegan_jax.networks.batch_norm import OverBatch, Statistics, statistics_of
from cyclegan_jax.networks.discriminator import (
    NLayerDiscriminator,
    PatchGAN,
    PixelDiscriminator,
    PyTorchGANDiscriminator,
)
from cyclegan_jax.networks.generator import GeneratorNetwork, ResNetGenerator
from cyclegan_jax.networks.unet import UNetGenerator

Params = dict[str, Any]
"""The parameters of several networks by name (`AtoB`, `BtoA`, or `A`, `B`), each a nested dict of arrays."""

_DISCRIMINATORS: Final[Mapping[str, type[PatchGAN]]] = {
    "n_layers": NLayerDiscriminator,
    "pixel": PixelDiscriminator,
    "pytorch_gan": PyTorchGANDiscriminator,
}
_GENERATORS: Final[Mapping[str, Callable[..., GeneratorNetwork]]] = {"resnet": ResNetGenerator, "unet": UNetGenerator}
_Network = TypeVar("_Network", GeneratorNetwork, PatchGAN)


@dataclass(frozen=True)
class Networks:
    """The definitions, without weights, of the four networks.

    Attributes:
        generators: by direction: `AtoB` is the paper's G, `BtoA` its F.
        discriminators: by the domain whose images they judge: `B` is the paper's D_Y, `A` its D_X.
    """

    generators: dict[Direction, nnx.GraphDef[GeneratorNetwork]]
    discriminators: dict[Domain, nnx.GraphDef[PatchGAN]]

    def generate(
        self,
        params: Params,
        direction: Direction,
        images: Float[Array | np.ndarray, "N H W C"],
        dropout_keys: Key[Array, " N"] | None = None,
    ) -> Float[Array, "N H W _"]:
        """Translate images in [-1, 1] with the generator of `direction` in `params`."""
        return nnx.merge(self.generators[direction], params[direction])(images, dropout_keys)

    def judge(
        self, params: Params, domain: Domain, images: Float[Array | np.ndarray, "N H W C"]
    ) -> Float[Array, "N h w 1"]:
        """Score the patches of images in [-1, 1] with the discriminator of `domain` in `params`."""
        return nnx.merge(self.discriminators[domain], params[domain])(images)

    def generate_in_training(
        self,
        params: Params,
        direction: Direction,
        images: Float[Array, "N H W C"],
        dropout_keys: Key[Array, " N"] | None,
        batch: OverBatch,
    ) -> tuple[Float[Array, "N H W _"], Statistics]:
        """`generate` by the statistics of the batch, which are returned too, see `networks.batch_norm`."""
        network = nnx.merge(self.generators[direction], params[direction])
        return network(images, dropout_keys, batch), statistics_of(network)

    def judge_in_training(
        self, params: Params, domain: Domain, images: Float[Array, "N H W C"], batch: OverBatch
    ) -> tuple[Float[Array, "N h w 1"], Statistics]:
        """`judge` by the statistics of the batch, which are returned too."""
        network = nnx.merge(self.discriminators[domain], params[domain])
        return network(images, batch), statistics_of(network)


def size_multiple(config: TrainConfig) -> int:
    """Height and width of training images must be divisible by this, for the generators and the discriminators."""
    return math.lcm(config.generator.size_multiple, _DISCRIMINATORS[config.discriminator.kind].size_multiple)


def make_generator(
    config: TrainConfig, direction: Direction, key: Key[Array, ""], kernels: Kernels | None = None
) -> GeneratorNetwork:
    """The generator that translates in `direction`, with fresh weights from `key`."""
    channels = config.data.channels("A"), config.data.channels("B")
    if direction == "BtoA":
        channels = channels[::-1]
    make = _GENERATORS[config.generator.kind]
    return make(config.generator, *channels, key=key, **_options(config, kernels))


def make_discriminator(
    config: TrainConfig, domain: Domain, key: Key[Array, ""], kernels: Kernels | None = None
) -> PatchGAN:
    """The discriminator that judges images of `domain`, with fresh weights from `key`."""
    channels, chosen = config.data.channels(domain), config.discriminator
    options = _options(config, kernels) | {"norm": chosen.norm}
    if chosen.kind == "n_layers":
        options["antialiased"] = chosen.antialias
        return NLayerDiscriminator(channels, chosen.width, chosen.n_layers, key=key, **options)
    make = PixelDiscriminator if chosen.kind == "pixel" else PyTorchGANDiscriminator
    return make(channels, chosen.width, key=key, **options)


def _options(config: TrainConfig, kernels: Kernels | None) -> dict[str, Any]:
    """The arguments that all constructors of networks have."""
    init = weights.Init(config.init, config.init_gain)
    return {"dtype": jnp.dtype(config.dtype), "kernels": kernels, "init": init}


def define(
    config: TrainConfig, sizes: Mapping[Domain, tuple[int, int]] | None = None, kernels: Kernels | None = None
) -> Networks:
    """The definitions of the config's four networks.

    Args:
        config: the experiment.
        sizes: height and width of each domain's training images, where they are not those of `data.image_size`.
        kernels: chooses the form of each operation; `Kernels.for_platform()` by default.

    Raises:
        UserError: the networks cannot take training images of this size.
    """
    kernels = kernels or Kernels.for_platform()

    def discriminator(domain: Domain) -> nnx.GraphDef[PatchGAN]:
        return _graphdef(config, lambda key: make_discriminator(config, domain, key, kernels), sizes)

    return Networks(
        generators={
            "AtoB": define_generator(config, "AtoB", sizes, kernels),
            "BtoA": define_generator(config, "BtoA", sizes, kernels),
        },
        discriminators={"A": discriminator("A"), "B": discriminator("B")},
    )


def define_generator(
    config: TrainConfig,
    direction: Direction,
    sizes: Mapping[Domain, tuple[int, int]] | None = None,
    kernels: Kernels | None = None,
) -> nnx.GraphDef[GeneratorNetwork]:
    """The definition of one generator; arguments and errors are those of `define`."""
    kernels = kernels or Kernels.for_platform()
    return _graphdef(config, lambda key: make_generator(config, direction, key, kernels), sizes)


def _graphdef(
    config: TrainConfig,
    make: Callable[[Key[Array, ""]], _Network],
    sizes: Mapping[Domain, tuple[int, int]] | None,
) -> nnx.GraphDef[_Network]:
    network = nnx.eval_shape(lambda: make(jax.random.key(0)))
    _check_image_size(config, network, sizes)
    return nnx.graphdef(network)


def initialize(config: TrainConfig, key: Key[Array, ""]) -> dict[str, Params]:
    """Fresh parameters, each network from a key of its own.

    Returns:
        `{"generators": {"AtoB": ..., "BtoA": ...}, "discriminators": {"A": ..., "B": ...}}`, weights as
        `config.init` says and zero biases, float32 (float64 where `config.dtype` is).
    """
    keys = jax.random.split(key, 4)
    return {
        "generators": {
            "AtoB": weights.params(make_generator(config, "AtoB", keys[0])),
            "BtoA": weights.params(make_generator(config, "BtoA", keys[1])),
        },
        "discriminators": {
            "A": weights.params(make_discriminator(config, "A", keys[2])),
            "B": weights.params(make_discriminator(config, "B", keys[3])),
        },
    }


def _check_image_size(
    config: TrainConfig, network: GeneratorNetwork | PatchGAN, sizes: Mapping[Domain, tuple[int, int]] | None
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
    if not config.data.crops:
        return  # The size depends on the data.
    size = config.data.crop_size
    if any(side % multiple or side < minimum for side in size):
        least = -(-minimum // multiple) * multiple
        nearest = image_size.write((_nearest(size[0], multiple, least), _nearest(size[1], multiple, least)))
        need = f"a multiple of {multiple} that is" if size[0] == size[1] else f"multiples of {multiple} that are"
        raise UserError(
            f"data.image_size is {config.data.image_size}, but {type(network).__name__} needs {need} at least "
            f"{minimum}: use {nearest}{', or a smaller generator.depth' if isinstance(network, UNetGenerator) else ''}"
        )


def _nearest(side: int, multiple: int, least: int) -> int:
    return max(least, round(side / multiple) * multiple)
