"""Whether an exported program computes what the generator does, and how long both take for one image."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float32, Num

from cyclegan_jax.checkpoints import checksums
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.layers import accepted_side

Program = Callable[[Any], Any]
"""From images (N, H, W, C) to images (N, H, W, D): float32 in [-1, 1], or uint8."""

MOST_DIFFERENCE: Final = {"float32": 2e-4, "uint8": 1.0}
"""The largest difference of two outputs: 1/10,000 of the range of floats, which is 2, and one level of uint8."""
_SIDE: Final = 48
_TIMED_SIDE: Final = 256
_RUNS: Final = 3


@dataclass(frozen=True)
class Latency:
    """How long one image of `side` x `side` pixels takes, as the median of some runs, in milliseconds.

    Attributes:
        side: height and width, pixels.
        exported: of the exported program.
        own: of the generator in this package, compiled for the device that JAX uses.
    """

    side: int
    exported: float
    own: float


def check_finite(model: Pretrained) -> None:
    """Return if the weights are numbers.

    Raises:
        UserError: one of them is NaN or infinite, as after a training that diverged.
    """
    leaves = zip(checksums.leaf_names(model.params), jax.tree.leaves(model.params), strict=True)
    if wrong := [name for name, leaf in leaves if not np.isfinite(leaf).all()]:
        raise UserError(
            f"the generator of step {model.step} holds NaN or infinite weights ({wrong[0]}): choose an earlier step"
        )


def check(program: Program, model: Pretrained, *, uint8: bool = False) -> float:
    """Compare a program with the generator, on a square image and on three that are not square.

    Both run on the CPU: only there JAX computes float32 products in float32 by default.

    Args:
        program: the exported generator; its outputs may be of any type that NumPy converts.
        model: the generator.
        uint8: whether the program takes and returns uint8 images.

    Returns:
        The largest difference, in units of the output: of 2 for floats, of 255 levels for uint8.

    Raises:
        UserError: it is above `MOST_DIFFERENCE`, or JAX was told to use other platforms alone.
    """
    most = MOST_DIFFERENCE["uint8" if uint8 else "float32"]
    rng = np.random.default_rng(0)
    differences = []
    with jax.default_device(_cpu()):
        own = own_program(model, Kernels.for_platform("cpu"), uint8=uint8)
        for shape in check_shapes(model):
            images = _random(rng, shape, uint8)
            expected, found = np.asarray(own(images), np.float64), np.asarray(program(images), np.float64)
            if found.shape != expected.shape:
                raise UserError(f"the exported model made {found.shape} of {shape} images: nothing is written")
            differences.append(np.abs(found - expected).max())
    worst = float(np.max(differences))
    # Not `worst > most`, which is false for NaN.
    if not worst <= most:
        raise UserError(
            f"the exported model differs from the generator by up to {worst:.3g}, more than {most:g}, so nothing is "
            "written: try another version of the runtime"
        )
    return worst


def latency(program: Program, model: Pretrained, *, uint8: bool = False) -> Latency:
    """Measure a program and the generator, one after the other, on one image of about 256x256 pixels.

    Args:
        program: the exported generator; it returns, or `jax.block_until_ready` waits, when it is done.
        model: the generator.
        uint8: whether the program takes uint8 images.
    """
    multiple, minimum = model.sides
    side = accepted_side(_TIMED_SIDE, multiple=multiple, minimum=minimum)
    images = _random(np.random.default_rng(0), (1, side, side, _channels(model)), uint8)
    own = own_program(model, Kernels.for_platform(), uint8=uint8)
    return Latency(side, *(_milliseconds(each, images) for each in (program, own)))


def check_shapes(model: Pretrained) -> list[tuple[int, int, int, int]]:
    """The shapes (N, H, W, C) on which `check` compares."""
    multiple, minimum = model.sides
    side = accepted_side(_SIDE, multiple=multiple, minimum=minimum)
    # An odd number of multiples: sides that are odd where the network is narrowest.
    return [(1, side, side, _channels(model)), (3, side, side + multiple, _channels(model))]


def own_program(model: Pretrained, kernels: Kernels, *, uint8: bool) -> Program:
    """The generator in float32, whatever type it was trained in, as a function that JAX compiles for each shape."""
    translate, params = in_float32(model, kernels)
    compiled = partial(jax.jit(translate), params)
    if not uint8:
        return compiled
    return lambda images: images_lib.to_uint8(compiled(images_lib.to_model_range(jnp.asarray(images), "float32")))


def in_float32(model: Pretrained, kernels: Kernels) -> tuple[Callable[[Params, jax.Array], jax.Array], Params]:
    """The generator as a function of parameters and (N, H, W, C) images that computes in float32, and its parameters.

    Args:
        model: the generator.
        kernels: chooses the forms of its operations.
    """
    config = dataclasses.replace(model.config, dtype="float32")
    definition = cyclegan.define_generator(config, model.direction, kernels=kernels)

    def translate(params: Params, images: jax.Array) -> jax.Array:
        with jax.default_matmul_precision(config.precision):
            return nnx.merge(definition, params)(images)

    return translate, jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), model.params)


def _cpu() -> jax.Device:
    try:
        return jax.devices("cpu")[0]
    except RuntimeError as error:
        platforms = jax.config.values["jax_platforms"]
        raise UserError(
            f"an export is compared with the generator on the CPU, but JAX_PLATFORMS is {platforms}: set "
            f"JAX_PLATFORMS={platforms},cpu"
        ) from error


def _random(rng: np.random.Generator, shape: tuple[int, ...], uint8: bool) -> Num[np.ndarray, "N H W C"]:
    if uint8:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    uniform: Float32[np.ndarray, "N H W C"] = rng.uniform(-1, 1, shape).astype(np.float32)
    return uniform


def _channels(model: Pretrained) -> int:
    return model.config.data.channels(model.domains[0])


def _milliseconds(program: Program, images: np.ndarray) -> float:
    jax.block_until_ready(program(images))  # compiles
    seconds = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        jax.block_until_ready(program(images))
        seconds.append(time.perf_counter() - begin)
    return 1000 * statistics.median(seconds)
