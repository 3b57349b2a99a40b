"""Applying a generator outside training: the precision and the dtypes that every caller shares.

The sampler, `Generator`, images of any size and the evaluation all translate through `translate`, so they agree to the
last bit for the same shapes.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cyclegan_jax.config import Direction, TrainConfig
from cyclegan_jax.networks.cyclegan import Networks, Params
from cyclegan_jax.networks.frame import Frame
from cyclegan_jax.networks.generator import ResNetGenerator


def image_dtype(config: TrainConfig) -> jnp.dtype[Any]:
    """The dtype of the images around the networks: float64 where the networks compute in it, otherwise float32.

    bfloat16 networks take and return float32 images, since bfloat16 cannot tell all 8-bit values apart.
    """
    return jnp.promote_types(config.dtype, jnp.float32)


def translate(
    definition: nnx.GraphDef[ResNetGenerator],
    params: Params,
    images: Float[Array, "N H W C"],
    precision: str,
    *,
    frame: Frame | None = None,
) -> Float[Array, "N H W D"]:
    """Apply a generator; works under `jax.jit`.

    Args:
        definition: `Networks.generators[direction]`.
        params: the generator's parameters; its weights or their moving average.
        images: in [-1, 1]; height and width are multiples of 4, at least 8.
        precision: that of matrix products, `TrainConfig.precision`.
        frame: the part of the array that is image; None is all of it.

    Returns:
        Images of the other domain in [-1, 1]; float32, or float64 where the network computes in it.
    """
    generator = nnx.merge(definition, params)
    with jax.default_matmul_precision(precision):
        output = generator(images) if frame is None else generator(images, frame=frame)
    return output.astype(jnp.promote_types(output.dtype, jnp.float32))


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
    back: Direction = "BtoA" if direction == "AtoB" else "AtoB"
    outputs = translate(networks.generators[direction], generators[direction], images, precision)
    return outputs, translate(networks.generators[back], generators[back], outputs, precision)
