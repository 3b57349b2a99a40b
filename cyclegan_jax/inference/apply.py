"""Applying a generator outside training: the precision and the dtypes that every caller shares.

The sampler of training, `Generator`, images of any size and the evaluation all apply generators through this module.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cyclegan_jax.config import OPPOSITE, Direction
from cyclegan_jax.networks.cyclegan import Networks, Params
from cyclegan_jax.networks.frame import Frame
from cyclegan_jax.networks.generator import GeneratorNetwork


def translate(
    definition: nnx.GraphDef[GeneratorNetwork],
    params: Params,
    images: Float[Array, "N H W C"],
    precision: str,
    *,
    frame: Frame | None = None,
) -> Float[Array, "N H W D"]:
    """Apply a generator; works under `jax.jit`.

    Compiled, the output of a bfloat16 network can have more precision than bfloat16: XLA skips the rounding in front of
    the conversion to float32.

    Args:
        definition: `Networks.generators[direction]`.
        params: the generator's parameters; its weights or their moving average.
        images: in [-1, 1]; height and width are sizes that the generator takes.
        precision: that of matrix products, `TrainConfig.precision`.
        frame: the part of the array that is image; None is all of it.

    Returns:
        Images of the other domain in [-1, 1]; float32, or float64 where the network computes in it.
    """
    return widen(in_own_dtype(definition, params, images, precision, frame=frame))


def in_own_dtype(
    definition: nnx.GraphDef[GeneratorNetwork],
    params: Params,
    images: Float[Array, "N H W C"],
    precision: str,
    *,
    frame: Frame | None = None,
) -> Float[Array, "N H W D"]:
    """`translate`, but with the output in the dtype that the network computes in."""
    generator = nnx.merge(definition, params)
    with jax.default_matmul_precision(precision):
        return generator(images) if frame is None else generator(images, frame=frame)


def widen(images: Float[Array, "..."]) -> Float[Array, "..."]:
    """Convert bfloat16 to float32; wider dtypes stay."""
    return images.astype(jnp.promote_types(images.dtype, jnp.float32))


def there_and_back(
    networks: Networks, generators: Params, direction: Direction, images: Float[Array, "N H W C"], precision: str
) -> tuple[Float[Array, "N H W D"], Float[Array, "N H W C"]]:
    """Translate images with one generator, and the results back with the other; see `translate`.

    Args:
        networks: the definitions.
        generators: the parameters of both generators by direction.
        direction: the way there.
        images: in [-1, 1].
        precision: that of matrix products.

    Returns:
        The translated images and the reconstructions.
    """
    back = OPPOSITE[direction]
    outputs = translate(networks.generators[direction], generators[direction], images, precision)
    return outputs, translate(networks.generators[back], generators[back], outputs, precision)
