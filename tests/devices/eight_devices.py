"""Run three training steps on one and on eight devices and print the largest differences; see test_step_program.py.

The argument is the optimizer: `sgd`, plain descent, or `adam`, which hides a wrong scale of the gradients. Each program
takes half a minute to compile: those that check the comparison itself, and that under `jax.pmap`, run with `adam` only.
"""

import json
import re
import sys
from collections import Counter
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from cyclegan_jax import optimizer as optimizer_lib
from cyclegan_jax import state
from cyclegan_jax.config import DiscriminatorConfig, GeneratorConfig, LossConfig, TrainConfig
from cyclegan_jax.devices.collectives import Collectives, PerDevice
from cyclegan_jax.devices.mesh import AXIS, make_mesh, replicated
from cyclegan_jax.devices.step_program import HostBatch, MakeStep, StepProgram
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from tests.conftest import tiny_config
from tests.helpers.biases import bias_feeds_norm


class ForgetsToAverage(PerDevice):
    """The mistake that this comparison must catch: each device keeps its own gradients."""

    def mean(self, tree: Any) -> Any:
        return jax.tree.map(lambda value: value + 0 * jax.lax.axis_index(AXIS), tree)


class JaxPmap:
    """The step under `jax.pmap` itself; it has the interface of `StepProgram`."""

    def __init__(self, make_step: MakeStep, config: TrainConfig, mesh: Mesh):
        self.mapped = jax.pmap(
            make_step(PerDevice()), axis_name=AXIS, in_axes=(None, 0), out_axes=None, donate_argnums=0
        )

    def compile(self, state: Any, batch: HostBatch) -> Any:
        run = lambda state, batch: self.mapped(state, by_device(batch))  # noqa: E731
        run.executable = self.mapped.lower(state, by_device(batch)).compile()  # type: ignore[attr-defined]
        return run


def by_device(batch: HostBatch) -> HostBatch:
    return {domain: images.reshape(8, -1, *images.shape[1:]) for domain, images in batch.items()}


class Result(NamedTuple):
    """The state and the metrics after three steps, and how often the compiled program has each operation."""

    state: Any
    metrics: dict[str, float]
    operations: Counter[str]


def run(
    config: TrainConfig, devices: int, transform: Any, mistaken: Collectives | None = None, form: Any = StepProgram
) -> Result:
    mesh = make_mesh(jax.devices()[:devices])
    networks = cyclegan.define(config)
    train_state = jax.jit(lambda: state.create(config, transform), out_shardings=replicated(mesh))()
    program = form(
        lambda collectives: make_train_step(
            config, networks, transform, epoch_images=16, collectives=mistaken or collectives
        ),
        config,
        mesh,
    )
    rng = np.random.default_rng(0)
    batches = [{domain: rng.integers(0, 256, (8, 24, 24, 3), dtype=np.uint8) for domain in "AB"} for _ in range(3)]
    step = program.compile(train_state, batches[0])
    for batch in batches:
        train_state, metrics = step(train_state, batch)
    operations = Counter(re.findall(r" = \S+ ([\w-]+)\(", step.executable.as_text()))
    values = {name: float(value) for name, value in metrics.items()}
    return Result(jax.tree.map(np.asarray, train_state), values, operations)


def several_steps(parallel: Literal["jit", "pmap"]) -> bool:
    """Whether three steps in one program compute on eight devices what three calls of one step do."""

    def make_step(collectives: Collectives) -> Any:
        def step(total: jax.Array, batch: dict[str, jax.Array]) -> Any:
            mean = collectives.mean({"mean": jnp.mean(batch["A"] * (1.0 + total))})
            return total + collectives.gather(batch["A"])[5, 0], mean

        return step

    mesh, config = make_mesh(), tiny_config(batch_size=8, parallel=parallel)
    batches = {"A": np.random.default_rng(0).normal(size=(3, 8, 1))}
    total = jax.device_put(np.zeros(()), replicated(mesh))
    together = StepProgram(make_step, config, mesh, steps=3).compile(total, batches)(total, batches)
    total = jax.device_put(np.zeros(()), replicated(mesh))
    one_step = StepProgram(make_step, config, mesh).compile(total, {"A": batches["A"][0]})
    means = []
    for index in range(3):
        total, metrics = one_step(total, {"A": batches["A"][index]})
        means.append(float(metrics["mean"]))
    return np.allclose(together[0], total, rtol=1e-12) and np.allclose(together[1]["mean"], means, rtol=1e-12)


def largest(one: Any, other: Any, keep: Any) -> float:
    pairs = zip(jax.tree.leaves_with_path(one), jax.tree.leaves(other), strict=True)
    return max(
        float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
        for (path, a), b in pairs
        if keep([entry for entry in path if hasattr(entry, "key")])
    )


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    # The pool is smaller than the batch, so that it holds images of several devices within one step.
    # Few layers and passes: the time of this comparison is compilation.
    base: dict[str, Any] = {"discriminator": DiscriminatorConfig(n_layers=1, width=4)}
    if sys.argv[1] == "adam":
        # Mixtures and augmentation draw numbers for each image; of the three steps, two compute the penalty.
        base = {
            "discriminator": DiscriminatorConfig(n_layers=1, width=4, augment="color,translation,cutout"),
            "loss": LossConfig(gan="hinge", gradient_penalty="mixture", gradient_penalty_every=2),
        }
    base |= {"batch_size": 8, "pool_size": 6, "dtype": "float64", "ema_decay": 0.9, "update_first": "discriminators"}
    # Batch norm is the one operation of a network that looks at other images of the batch.
    generator = GeneratorConfig(blocks=1, width=4, dropout=0.5, norm="batch")
    transform = {"adam": optimizer_lib.adam(tiny_config().optimizer), "sgd": optax.identity()}[sys.argv[1]]
    results: dict[str, dict[str, float]] = {}
    config = tiny_config(**base, generator=generator)
    one, metrics, _ = run(config, 1, transform)
    for parallel in ("jit", "pmap"):
        # Over the two optimizers, both forms run with and without recomputed activations.
        changes = {"parallel": parallel, "remat": (parallel == "pmap") == (sys.argv[1] == "sgd")}
        config = tiny_config(**base, **changes, generator=generator)
        eight, metrics_eight, operations = run(config, 8, transform)
        feeds = lambda path: bool(path) and bias_feeds_norm(tuple(path))  # noqa: E731
        results[parallel] = {
            "devices": jax.device_count(),
            "state": largest(one, eight, lambda path, feeds=feeds: not feeds(path)),
            "norm_biases": largest(one, eight, feeds),
            "metrics": max(abs(metrics[key] - metrics_eight[key]) for key in metrics),
            "several_steps": several_steps("jit" if parallel == "jit" else "pmap"),
            "pool_filled": int(eight.pool_A.filled),
        }
    if sys.argv[1] == "sgd":
        print(json.dumps(results))
        return
    # Here `config`, `eight` and `operations` are those of pmap.
    mapped, _, of_pmap = run(config, 8, transform, form=JaxPmap)
    results["pmap"]["differs_from_jax_pmap"] = largest(eight, mapped, lambda path: True)
    # The batch has a first axis of devices there, which the body removes: only a copy or a bitcast may differ.
    results["pmap"]["other_operations"] = sum(((operations - of_pmap) + (of_pmap - operations)).values())
    results["pmap"]["operations"] = operations.total()
    wrong = run(config, 8, transform, mistaken=ForgetsToAverage()).state
    for found in results.values():
        found["forgot_to_average"] = largest(one.generators, wrong.generators, lambda path: True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
