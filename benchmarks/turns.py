"""Measure several implementations of one job in turns, so that a machine whose speed drifts is fair to all."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import flax
import jax
import jax.numpy as jnp
import torch


@dataclass(frozen=True)
class Side:
    """One implementation.

    Attributes:
        run: does the job once and waits for the end.
        start_seconds: how long it took to compile and to run for the first time.
        peak_bytes: its peak of device memory; None where the backend does not report it.
    """

    run: Callable[[], None]
    start_seconds: float
    peak_bytes: int | None = None


def milliseconds(sides: Mapping[str, Side], rounds: int) -> dict[str, float]:
    """The median time of each over `rounds` rounds, in each of which every one runs once."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            begin = time.perf_counter()
            side.run()
            times[name].append(1000 * (time.perf_counter() - begin))
    return {name: statistics.median(values) for name, values in times.items()}


def matrix_rate(dtype: str, device: str) -> float:
    """FLOP/s of a large matrix product of random numbers, the best this machine does."""
    side = 8192 if device == "gpu" else 2048
    repeats = 20 if device == "gpu" else 3
    keys = jax.random.split(jax.random.key(0))
    left, right = (jax.random.normal(key, (side, side), jnp.dtype(dtype)) for key in keys)
    multiply = jax.jit(jnp.matmul)
    multiply(left, right).block_until_ready()
    rates = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(repeats):
            product = multiply(left, right)
        product.block_until_ready()
        rates.append(2 * side**3 * repeats / (time.perf_counter() - begin))
    return statistics.median(rates)


def describe(device: str) -> str:
    """The hardware and the versions, for the line above a table."""
    kind = torch.cuda.get_device_name() if device == "gpu" else _cpu_name()
    versions = f"jax {jax.__version__}, flax {flax.__version__}, torch {torch.__version__}"
    return f"{kind}; {versions}, {torch.get_num_threads()} threads"


def report(
    name: str, sides: Mapping[str, Side], times: Mapping[str, float], *, batch: int, flops: float, peak_rate: float
) -> dict[str, Any]:
    """Print a Markdown table of one job and return its figures.

    Args:
        name: the job, printed above the table.
        sides: the implementations; the first is ours.
        times: milliseconds of each.
        batch: images, or pairs of them, that the job processes.
        flops: floating-point operations that the job needs.
        peak_rate: FLOP/s of a large matrix product, for comparison.
    """
    print(f"\n{name}; {flops / 1e9:,.0f} GFLOP; a matrix product runs at {peak_rate / 1e9:,.0f} GFLOP/s\n")
    print("| | ms | images/s | time against ours | GFLOP/s | of a matrix product | first run s | peak memory GiB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    ours = times["ours"]
    result: dict[str, Any] = {"work": name}
    for side, value in times.items():
        rate = flops / value * 1000
        peak = sides[side].peak_bytes
        memory = "" if peak is None else f"{peak / 2**30:.2f}"
        print(
            f"| {side} | {value:.1f} | {1000 * batch / value:.2f} | {value / ours:.2f} | {rate / 1e9:,.0f} "
            f"| {rate / peak_rate:.0%} | {sides[side].start_seconds:.1f} | {memory} |"
        )
        result[f"{side}_ms"] = round(value, 2)
        if side != "ours":
            result[f"{side}_ratio"] = round(value / ours, 3)
    return result


def print_json(results: list[dict[str, Any]]) -> None:
    """Print the last line: the figures of one job, or of several as a list."""
    print(json.dumps(results[0] if len(results) == 1 else results))


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as lines:  # noqa: PTH123
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "CPU"
