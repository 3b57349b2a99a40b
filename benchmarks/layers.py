"""Where the time of a training step goes on CPU: each kind of layer alone, with and without our forms.

    python -m benchmarks.layers

The `pytorch_gan` step at 128 px, width 64, 6 blocks, batch 1. A layer is timed forward and backward, for the weights
and the input, and multiplied by how often the step has it; "everything else" is the whole step less their sum.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import forms, sides
from cyclegan_jax import optimizer, recipes, state
from cyclegan_jax.config import DataConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.kernels import convolution
from cyclegan_jax.kernels import instance_norm as norm
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import layers

ROUNDS = 9
SIZE, WIDTH, BLOCKS = 128, 64, 6
Run = Callable[[], Any]


@dataclass(frozen=True)
class Layer:
    """A convolution: sides of input and kernel, channels, and how many of them one pass of its network has."""

    side: int
    kernel: int
    inputs: int
    outputs: int
    stride: int = 1
    pad: int = 0
    number: int = 1
    of_nearest: bool = False


GENERATOR = {
    "7x7 from RGB": Layer(134, 7, 3, 64),
    "3x3 stride 2, 64 to 128": Layer(128, 3, 64, 128, stride=2, pad=1),
    "3x3 stride 2, 128 to 256": Layer(64, 3, 128, 256, stride=2, pad=1),
    "3x3 residual, 256": Layer(34, 3, 256, 256, number=2 * BLOCKS),
    "nearest and 3x3, 256 to 128": Layer(32, 3, 256, 128, pad=1, of_nearest=True),
    "nearest and 3x3, 128 to 64": Layer(64, 3, 128, 64, pad=1, of_nearest=True),
    "7x7 to RGB": Layer(134, 7, 64, 3),
}
DISCRIMINATOR = {
    f"4x4 stride 2 (D), {inputs} to {outputs}": Layer(side, 4, inputs, outputs, stride=2, pad=1)
    for side, inputs, outputs in ((128, 3, 64), (64, 64, 128), (32, 128, 256), (16, 256, 512))
}
# Side, channels, and the number of norms of this size in one pass of a generator.
NORMS = {"norm, ReLU, padding at 128 px": (128, 64, 2), "at 64 px": (64, 128, 2), "at 32 px": (32, 256, 1 + 2 * BLOCKS)}


def main() -> None:
    rows: dict[str, tuple[int, list[Run]]] = {}
    # Each discriminator judges real and shown images, and generated ones once more for the generators.
    for passes, kinds in ((4, GENERATOR), (6, DISCRIMINATOR)):
        for name, layer in kinds.items():
            rows[name] = (passes * layer.number, both_ways(partial(convolved, layer)))
    for name, (side, channels, number) in NORMS.items():
        rows[name] = (4 * number, both_ways(partial(normalized, side, channels)))
    recipe = recipes.simplified()
    config = TrainConfig(
        loss=recipe.loss,
        optimizer=recipe.optimizer,
        update_first=recipe.update_first,
        data=DataConfig(image_size=SIZE),
        generator=GeneratorConfig(BLOCKS, WIDTH, recipe.generator.upsample),
        discriminator=recipe.discriminator,
        pool_size=0,
    )
    rows["Adam"] = (1, both_ways(partial(updated, config)))
    rows["the step"] = (1, both_ways(lambda kernels: sides.our_step(config, sides.images(config), kernels=kernels).run))
    report({name: (number, milliseconds(runs)) for name, (number, runs) in rows.items()})


def both_ways(make: Callable[[Kernels], Run]) -> list[Run]:
    """The work with and without our forms, each compiled by a first run."""
    made = []
    for words in ((), ("all",)):
        made.append(make(forms.without(words)))
        jax.block_until_ready(made[-1]())
    return made


def convolved(layer: Layer, kernels: Kernels) -> Run:
    """A convolution forward and backward."""

    def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
        if layer.of_nearest:
            return convolution.convolve_upsampled(x, kernel, kernels)
        pads = (layer.pad, layer.pad)
        return convolution.convolve(x, kernel, kernels, stride=layer.stride, padding=(pads, pads))

    image = (1, layer.side, layer.side, layer.inputs)
    return pulled_back(convolve, image, (layer.kernel, layer.kernel, layer.inputs, layer.outputs))


def normalized(side: int, channels: int, kernels: Kernels) -> Run:
    """The operations between two convolutions of a generator, forward and backward."""

    def normalize(x: jax.Array) -> jax.Array:
        return layers.reflection_pad(jax.nn.relu(norm.instance_norm(x, kernels)), 1)

    return pulled_back(normalize, (1, side, side, channels))


def updated(config: TrainConfig, kernels: Kernels) -> Run:
    """Adam's update of all parameters, which has one form."""
    transform = optimizer.adam(config.optimizer)
    current = jax.jit(lambda: state.create(config, transform))()
    params = (current.generators, current.discriminators)
    moments = transform.init(params)

    @jax.jit
    def update(params: Any, moments: Any) -> Any:
        directions, new = transform.update(params, moments, params)
        return optax.apply_updates(params, directions), new

    return lambda: update(params, moments)


def pulled_back(function: Callable[..., jax.Array], *shapes: tuple[int, ...]) -> Run:
    """A function of random arrays, and its gradients for a random cotangent."""
    rng = np.random.default_rng(0)
    arrays = [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]
    grad = jnp.asarray(rng.normal(size=jax.eval_shape(function, *arrays).shape), jnp.float32)

    @jax.jit
    def run(arrays: list[jax.Array], grad: jax.Array) -> Any:
        value, pull_back = jax.vjp(function, *arrays)
        return value, pull_back(grad)

    return lambda: run(arrays, grad)


def milliseconds(runs: list[Run]) -> list[float]:
    """The median time of each; they run in turns."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for run, taken in zip(runs, times, strict=True):
            begin = time.perf_counter()
            jax.block_until_ready(run())
            taken.append(1000 * (time.perf_counter() - begin))
    return [statistics.median(taken) for taken in times]


def report(rows: dict[str, tuple[int, list[float]]]) -> None:
    """Print a Markdown table: the time of all layers of a kind in a step, and their share of the step."""
    steps = rows.pop("the step")[1]
    print("| | in a step | without our forms, ms | share | as it is, ms | share |\n|---|---:|---:|---:|---:|---:|")
    rest = list(steps)
    for name, (number, each) in rows.items():
        ours, plain = (number * time for time in each)
        rest = [rest[0] - ours, rest[1] - plain]
        print(f"| {name} | {number} | {plain:.0f} | {plain / steps[1]:.0%} | {ours:.0f} | {ours / steps[0]:.0%} |")
    print(
        f"| everything else | | {rest[1]:.0f} | {rest[1] / steps[1]:.0%} | {rest[0]:.0f} | {rest[0] / steps[0]:.0%} |"
    )
    print(f"| the step | | {steps[1]:.0f} | | {steps[0]:.0f} | |")


if __name__ == "__main__":
    main()
