"""Compare the time of the CPU forms of the networks' convolutions with XLA's own, in turns.

    python -m benchmarks.convolutions

For each kind of layer: the gradient of the weights, tap by tap and as XLA computes it; then whole layers, forward and
backward, in the forms of `winograd.py`, `upsampling.py` and `few_channels.py` and as XLA computes them. The last line
is JSON.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax
import numpy as np

from cyclegan_jax.kernels import convolution, few_channels, plain, taps, upsampling, winograd
from cyclegan_jax.kernels.choice import Kernels, Padding

ROUNDS = 15
# Of a generator at 128 px, width 64: input side, kernel side, channels in and out, stride, pads, dilation.
LAYERS: dict[str, tuple[int, int, int, int, int, Padding, int]] = {
    "3x3 stride 2, 64 to 128": (128, 3, 64, 128, 2, ((1, 1), (1, 1)), 1),
    "4x4 stride 2, 64 to 128 (D)": (64, 4, 64, 128, 2, ((1, 1), (1, 1)), 1),
    "3x3 residual, 256": (34, 3, 256, 256, 1, ((0, 0), (0, 0)), 1),
    "7x7 to RGB, 64": (134, 7, 64, 3, 1, ((0, 0), (0, 0)), 1),
    "3x3 transposed, 256 to 128": (32, 3, 256, 128, 1, ((1, 2), (1, 2)), 2),
    "3x3 transposed, 128 to 64": (64, 3, 128, 64, 1, ((1, 2), (1, 2)), 2),
}
# Input side, kernel side, channels in and out, the form.
WHOLE: dict[str, tuple[int, int, int, int, Callable[..., jax.Array]]] = {
    "3x3 residual, 256": (34, 3, 256, 256, winograd.convolve),
    "3x3 residual, 256, of 256 px images": (66, 3, 256, 256, winograd.convolve),
    "3x3 residual, 128, of 64 px images": (18, 3, 128, 128, winograd.convolve),
    "nearest and 3x3, 256 to 128": (32, 3, 256, 128, upsampling.convolve_upsampled),
    "nearest and 3x3, 128 to 64": (64, 3, 128, 64, upsampling.convolve_upsampled),
    "7x7 from RGB, 64": (134, 7, 3, 64, few_channels.convolve),
    "7x7 to RGB, 64": (134, 7, 64, 3, few_channels.convolve),
}


def main() -> None:
    print("| layer | ours ms | XLA's form ms | ratio | used |\n|---|---:|---:|---:|---|")
    results = {}
    for name, layer in LAYERS.items():
        results[name] = report(f"weight gradient: {name}", *weight_gradients(*layer), takes_taps(*layer))
    for name, whole in WHOLE.items():
        results[f"whole: {name}"] = report(f"forward and backward: {name}", *whole_layers(*whole), True)
    print(json.dumps({name: round(ratio, 2) for name, ratio in results.items()}))


def report(name: str, ours: Callable[[], Any], plain: Callable[[], Any], used: bool) -> float:
    """Print a row and return the plain form's time divided by ours."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, taken in zip((ours, plain), times, strict=True):
            begin = time.perf_counter()
            jax.block_until_ready(run())
            taken.append(1000 * (time.perf_counter() - begin))
    fast, slow = (statistics.median(taken[1:]) for taken in times)
    print(f"| {name} | {fast:.1f} | {slow:.1f} | {slow / fast:.2f} | {'ours' if used else 'XLA'} |", flush=True)
    return slow / fast


def takes_taps(
    side: int, kernel_side: int, inputs: int, outputs: int, stride: int, padding: Padding, dilation: int
) -> bool:
    """Whether the networks compute the weight gradient of a layer tap by tap, or would but for another form."""
    kernels = Kernels.for_platform("cpu").without("winograd", "few_channels")
    kernel = (kernel_side, kernel_side, inputs, outputs)
    if dilation == 2:
        return kernels.doubling_convolution(kernel) == "taps"
    image, dtype = (1, side, side, inputs), np.dtype("float32")
    return kernels.convolution(image, kernel, dtype, stride=stride, padding=padding) == "taps"


def weight_gradients(
    side: int, kernel_side: int, inputs: int, outputs: int, stride: int, padding: Padding, dilation: int
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    rng = np.random.default_rng(0)
    x = jax.device_put(rng.normal(size=(1, side, side, inputs)).astype(np.float32))
    kernel = jax.device_put(rng.normal(size=(kernel_side, kernel_side, inputs, outputs)).astype(np.float32))

    def convolve(kernel: jax.Array) -> jax.Array:
        return plain.convolve(x, kernel, stride, padding, dilation)

    grad = jax.device_put(rng.normal(size=jax.eval_shape(convolve, kernel).shape).astype(np.float32))
    ours = jax.jit(lambda x, grad: taps.weight_gradient(x, grad, kernel, stride, padding, dilation))
    xlas = jax.jit(lambda grad: jax.vjp(convolve, kernel)[1](grad)[0])
    return lambda: ours(x, grad), lambda: xlas(grad)


def whole_layers(
    side: int, kernel_side: int, inputs: int, outputs: int, form: Callable[..., jax.Array]
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    rng = np.random.default_rng(0)
    x = jax.device_put(rng.normal(size=(1, side, side, inputs)).astype(np.float32))
    kernel = jax.device_put(rng.normal(size=(kernel_side, kernel_side, inputs, outputs)).astype(np.float32))
    grad = jax.device_put(rng.normal(size=jax.eval_shape(form, x, kernel).shape).astype(np.float32))

    def xlas(x: jax.Array, kernel: jax.Array) -> jax.Array:
        if form is upsampling.convolve_upsampled:
            return plain.convolve(plain.upsample_nearest(x), kernel, 1, ((1, 1), (1, 1)))
        return plain.convolve(x, kernel, 1, convolution.UNPADDED)

    def both_ways(function: Callable[[jax.Array, jax.Array], jax.Array]) -> Callable[[], Any]:
        @jax.jit
        def run(x: jax.Array, kernel: jax.Array, grad: jax.Array) -> Any:
            value, pull_back = jax.vjp(function, x, kernel)
            return value, pull_back(grad)

        return lambda: run(x, kernel, grad)

    return both_ways(form), both_ways(xlas)


if __name__ == "__main__":
    main()
