"""A training step of this package and of the PyTorch reference, on the same work, and the tools to time both."""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
from jaxtyping import Float32

from benchmarks.turns import Side
from cyclegan_jax import optimizer, recipes, state
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from tests.parity import reference_networks, reference_training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that define the work: recipe, device, sizes, networks and dtype."""
    parser.add_argument("--recipe", choices=("paper", "simplified"), default="simplified")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--size", type=int, nargs="+", default=[128])
    parser.add_argument("--batch", type=int, nargs="+", default=[1])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no_compiled", action="store_true", help="leave torch.compile out")


def make_config(args: argparse.Namespace, size: int, batch: int) -> TrainConfig:
    """Return the experiment that both sides run."""
    recipe = recipes.paper() if args.recipe == "paper" else recipes.simplified()
    values = {name: getattr(recipe, name) for name in ("loss", "optimizer", "update_first")}
    return TrainConfig(
        **values,
        data=DataConfig(image_size=size),
        generator=GeneratorConfig(args.blocks, args.width, recipe.generator.upsample),
        discriminator=DiscriminatorConfig(recipe.discriminator.kind, width=args.width),
        batch_size=batch,
        pool_size=0,  # the reference's pool replays given choices; swapping images costs microseconds
        dtype=args.dtype,
    )


def images(config: TrainConfig) -> Float32[np.ndarray, "2 N H W 3"]:
    """Return a random batch of each domain, in [-1, 1]."""
    shape = (2, config.batch_size, *config.data.crop_size, 3)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def our_step(
    config: TrainConfig, batch: Float32[np.ndarray, "2 N H W 3"], steps: int = 1, kernels: Kernels | None = None
) -> Side:
    """Compile our training step as training does; `steps` of them run in one dispatch."""
    transform = optimizer.adam(config.optimizer)
    step = make_train_step(config, cyclegan.define(config, kernels=kernels), transform, epoch_images=1000)
    current = jax.jit(lambda: state.create(config, transform))()
    pair = jax.device_put({"A": batch[0], "B": batch[1]})
    work: Callable[..., Any] = step
    if steps > 1:
        pair = jax.tree.map(lambda array: np.stack([array] * steps), pair)

        def work(train_state: Any, several: Any) -> Any:
            return jax.lax.scan(step, train_state, several)

    begin = time.perf_counter()
    compiled = jax.jit(work, donate_argnums=0).lower(current, pair).compile()

    def run() -> None:
        nonlocal current
        current, metrics = compiled(current, pair)
        jax.block_until_ready((current, metrics))

    return started(run, begin, peak(compiled))


def torch_step(config: TrainConfig, batch: Float32[np.ndarray, "2 N H W 3"], device: str, *, tuned: bool) -> Side:
    """Build the reference's training step.

    `tuned` adds torch.compile, channels-last memory, cuDNN's choice of kernels by measurement, and a fused Adam.
    """
    begin, held = time.perf_counter(), torch_memory(device)
    kind: type[torch.nn.Module] = reference_networks.PyTorchGANDiscriminator
    if config.discriminator.kind == "n_layers":
        kind = reference_networks.NLayerDiscriminator
    generators: Any = tuple(placed(torch_generator(config), device, tuned) for _ in "GF")
    discriminators: Any = tuple(placed(kind(3, config.discriminator.width), device, tuned) for _ in "AB")
    options: dict[str, Any] = {
        "kind": "adam",
        "learning_rate": config.optimizer.learning_rate,
        "factor": lambda step: 1.0,
    }
    trainer: reference_training.Trainer
    if config.update_first == "discriminators":
        trainer = reference_training.SimplifiedTrainer(generators, discriminators, **options)
    else:
        off = reference_training.ImagePool(0, iter(()))
        trainer = reference_training.OfficialTrainer(
            generators,
            discriminators,
            pools=(off, off),
            weights=reference_training.Weights(identity=0.0),
            **options,
        )
    if tuned:
        for optim in trainer.optimizers:
            for group in optim.param_groups:
                group["fused"] = True
    pair = [torch_images(part, device, tuned) for part in batch]

    def run() -> None:
        torch.backends.cudnn.benchmark = tuned  # a global setting, and tuned and plain sides take turns
        with autocast(config, device):
            trainer.step(*pair)  # copies the losses to the host, which waits for the device

    return torch_started(run, begin, held, device)


def torch_generator(config: TrainConfig) -> torch.nn.Module:
    """Build the reference generator that the config describes, with new weights."""
    part = config.generator
    return reference_networks.Generator(3, 3, part.width, part.blocks, part.upsample)


def placed(network: torch.nn.Module, device: str, tuned: bool) -> torch.nn.Module:
    """Move a network to the device; `tuned` also compiles it and stores it channels-last."""
    network = network.to("cuda" if device == "gpu" else "cpu")
    if not tuned:
        return network
    compiled: Any = torch.compile(network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    return compiled


def torch_images(part: Float32[np.ndarray, "N H W C"], device: str, tuned: bool) -> torch.Tensor:
    """Copy images to an NCHW tensor on the device; `tuned` stores it channels-last."""
    tensor = torch.from_numpy(np.moveaxis(part, -1, 1).copy()).to("cuda" if device == "gpu" else "cpu")
    return tensor.to(memory_format=torch.channels_last) if tuned else tensor


def autocast(config: TrainConfig, device: str) -> Any:
    """Return a context in which PyTorch computes in bfloat16 if the config does."""
    return torch.autocast("cuda" if device == "gpu" else "cpu", torch.bfloat16, enabled=config.dtype == "bfloat16")


def torch_memory(device: str) -> int:
    """Return the bytes that PyTorch has allocated on the GPU (0 on CPU), and reset its peak."""
    if device != "gpu":
        return 0
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def torch_started(run: Callable[[], None], begin: float, held: int, device: str) -> Side:
    """Run a PyTorch side twice, and measure its peak memory on a GPU above the `held` bytes."""
    first = started(run, begin, None)
    peak_bytes = torch.cuda.max_memory_allocated() - held if device == "gpu" else None
    return Side(run, first.start_seconds, peak_bytes)


def started(run: Callable[[], None], begin: float, peak_bytes: int | None) -> Side:
    """Run a side twice: the first run compiles, and the second warms caches; `begin` is when its setup began."""
    run()
    seconds = time.perf_counter() - begin
    run()
    return Side(run, seconds, peak_bytes)


def peak(compiled: Any) -> int:
    """Return the bytes of arguments, outputs and temporaries that XLA plans for a compiled program."""
    analysis = compiled.memory_analysis()
    held = analysis.argument_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return int(held + analysis.temp_size_in_bytes)
