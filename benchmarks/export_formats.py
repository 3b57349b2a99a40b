"""Time, memory and size of each export of a generator, and how much its outputs differ.

    python -m benchmarks.export_formats --blocks 9 --width 64

Each format has a process of its own. Memory is the peak above what the process held with the generator loaded. The
weights are random. Linux only.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float32

from cyclegan_jax.config import GeneratorConfig, TrainConfig
from cyclegan_jax.exchange import agreement, onnx_file, pretrained, stablehlo
from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.networks import cyclegan, weights

ENCODERS: dict[str, Callable[[Pretrained], bytes]] = {
    "safetensors": pretrained.encode,
    "onnx": onnx_file.encode,
    "stablehlo": stablehlo.encode,
}
LOADERS: dict[str, Callable[[bytes], agreement.Program]] = {"onnx": onnx_file.load, "stablehlo": stablehlo.load}


def measure(name: str, config: TrainConfig) -> None:
    """Export one generator, and print the line of its format."""
    shapes = jax.eval_shape(lambda: weights.params(cyclegan.make_generator(config, "AtoB", jax.random.key(0))))
    rng = np.random.default_rng(0)
    # Not drawn by a program of JAX, whose compilation leaves memory behind that the export would use.
    model = Pretrained(config, "AtoB", 0, jax.tree.map(lambda leaf: _draw(rng, leaf.shape), shapes))
    # Forgets the peak so far (man 5 proc).
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    begin = time.perf_counter()
    content = ENCODERS[name](model)
    cells = [name, f"{time.perf_counter() - begin:.1f}", f"{_peak() - before:,.0f}", f"{len(content) / 1e6:.1f}"]
    if name in LOADERS:
        program = LOADERS[name](content)
        cells += [f"{agreement.check(program, model):.1e}", f"{_peak() - before:,.0f}"]
        timed = agreement.latency(program, model)
        cells += [f"{timed.exported:,.0f}, and {timed.own:,.0f} in this package"]
    print("| " + " | ".join(cells) + " |", flush=True)


def _draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Float32[np.ndarray, "..."]:
    return weights.PAPER.gain * rng.standard_normal(shape, np.float32)


def _peak() -> float:
    """The most memory that this process has held at once, in MB, as Linux counts it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--upsample", choices=("transposed", "resize"), default="transposed")
    args = parser.parse_args()
    config = TrainConfig(generator=GeneratorConfig(args.blocks, args.width, args.upsample))
    print(", ".join(f"{name} {version(name)}" for name in ("jax", "onnx", "onnxruntime")))
    print("| format | s | MB of memory | MB of the file | largest difference | MB with comparison | ms at 256 px |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    context = multiprocessing.get_context("spawn")
    for name in ENCODERS:
        process = context.Process(target=measure, args=(name, config))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
