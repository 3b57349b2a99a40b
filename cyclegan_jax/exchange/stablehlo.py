"""A generator as StableHLO, by `jax.export`: one program with its weights for images of any size, on any platform."""

import contextlib
import importlib
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import jax
import jax.export
import numpy as np

from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange.agreement import in_float32
from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.kernels.choice import Kernels

PLATFORMS: Final = ("cpu", "cuda", "tpu")
_PLAIN: Final = Kernels(frozenset())
"""Each operation as XLA computes it by itself: other forms are for one platform, and some ask for sizes in numbers."""


def check_installed() -> None:
    """Return if flatbuffers can be imported, in which `jax.export` writes.

    Raises:
        UserError: it is missing.
    """
    try:
        importlib.import_module("flatbuffers")
    except ImportError as error:
        raise UserError(
            "a StableHLO file needs flatbuffers, which is not installed: pip install 'cyclegan-jax[stablehlo]'"
        ) from error


def encode(model: Pretrained) -> bytes:
    """The content of a file that `jax.export.deserialize` reads.

    The program takes (N, H, W, C) float32 images in [-1, 1] and returns (N, H, W, D) ones. N is any; H and W are any
    multiples of the generator's `size_multiple`, from its `min_size` on; JAX refuses others. The weights are float32.
    The program's name, `Exported.fun_name`, has the direction and the step.
    """
    multiple, minimum = model.sides
    fewest = math.ceil(minimum / multiple)
    number, height, width = jax.export.symbolic_shape(
        f"batch, {multiple}*h, {multiple}*w", constraints=[f"h >= {fewest}", f"w >= {fewest}"]
    )
    images = jax.ShapeDtypeStruct((number, height, width, model.config.data.channels(model.domains[0])), np.float32)
    apply, params = in_float32(model, _PLAIN)

    def translate(images: jax.Array) -> jax.Array:
        return apply(params, images)

    translate.__name__ = f"{model.direction}_of_step_{model.step}"
    with _no_source_lines():
        return bytes(jax.export.export(jax.jit(translate), platforms=PLATFORMS)(images).serialize())


@contextlib.contextmanager
def _no_source_lines() -> Iterator[None]:
    """Inside the block, programs do not name the source files of their operations: paths of this machine."""
    before = jax.config.values["jax_traceback_in_locations_limit"]
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)


def load(content: bytes) -> Callable[[Any], jax.Array]:
    """The content of a StableHLO file as a function of (N, H, W, C) images, compiled for each shape."""
    return jax.jit(jax.export.deserialize(bytearray(content)).call)
