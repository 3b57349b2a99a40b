"""Ours and PyTorch's way of a training step and of a generator's forward pass, on the same work."""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
from flax import nnx

from benchmarks.turns import Side
from cyclegan_jax import optimizer, recipes, state
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.generator import ResNetGenerator
from cyclegan_jax.train_step import make_train_step
from tests.parity import reference_networks, reference_training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the work is."""
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
    """The experiment that both sides run."""
    recipe = recipes.paper() if args.recipe == "paper" else recipes.simplified()
    values = {name: getattr(recipe, name) for name in ("loss", "optimizer", "update_first")}
    return TrainConfig(
        **values,
        data=DataConfig(image_size=size),
        generator=GeneratorConfig(args.blocks, args.width, recipe.generator.upsample),
        discriminator=DiscriminatorConfig(recipe.discriminator.kind, width=args.width),
        batch_size=batch,
        pool_size=0,  # the reference's pool is scripted; the exchange costs microseconds
        dtype=args.dtype,
    )


def images(config: TrainConfig) -> np.ndarray:
    """A batch of each domain: (2, N, H, W, 3) float32 in [-1, 1]."""
    shape = (2, config.batch_size, config.data.image_size, config.data.image_size, 3)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def our_step(config: TrainConfig, batch: np.ndarray, steps: int = 1) -> Side:
    """Our training step as `train.py` compiles it; several in one dispatch where `steps` says so."""
    transform = optimizer.adam(config.optimizer)
    step = make_train_step(config, cyclegan.define(config), transform, epoch_images=1000)
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

    return _started(run, begin, _peak(compiled))


def our_forward(config: TrainConfig, batch: np.ndarray) -> Side:
    """One of our generators on a batch."""
    definition = cyclegan.define(config).generators["AtoB"]
    params = jax.jit(lambda: state.create(config, optimizer.adam(config.optimizer)))().generators["AtoB"]
    given = jax.device_put(batch[0])

    def translate(params: Any, given: jax.Array) -> jax.Array:
        network: ResNetGenerator = nnx.merge(definition, params)
        return network(given)

    begin = time.perf_counter()
    compiled = jax.jit(translate).lower(params, given).compile()
    return _started(lambda: jax.block_until_ready(compiled(params, given)), begin, _peak(compiled))


def torch_step(config: TrainConfig, batch: np.ndarray, device: str, *, tuned: bool) -> Side:
    """The reference's step; tuned: its networks compiled, channels last, kernels chosen by trial, and a fused Adam."""
    begin, held = time.perf_counter(), _torch_memory(device)
    kind: type[torch.nn.Module] = reference_networks.PyTorchGANDiscriminator
    if config.discriminator.kind == "n_layers":
        kind = reference_networks.NLayerDiscriminator
    generators: Any = tuple(_placed(_torch_generator(config), device, tuned) for _ in "GF")
    discriminators: Any = tuple(_placed(kind(3, config.discriminator.width), device, tuned) for _ in "AB")
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
    pair = [_torch_images(part, device, tuned) for part in batch]

    def run() -> None:
        torch.backends.cudnn.benchmark = tuned  # one for all of PyTorch, and both ways take turns
        with _autocast(config, device):
            trainer.step(*pair)  # its loss values come back to the host, which waits for the device

    return _torch_started(run, begin, held, device)


def torch_forward(config: TrainConfig, batch: np.ndarray, device: str, *, tuned: bool) -> Side:
    """The reference's generator on a batch; tuned: compiled, channels last, kernels chosen by trial."""
    begin, held = time.perf_counter(), _torch_memory(device)
    generator = _placed(_torch_generator(config), device, tuned)
    given = _torch_images(batch[0], device, tuned)

    def run() -> None:
        torch.backends.cudnn.benchmark = tuned
        with torch.inference_mode(), _autocast(config, device):
            generator(given)
        if device == "gpu":
            torch.cuda.synchronize()

    return _torch_started(run, begin, held, device)


def _torch_generator(config: TrainConfig) -> torch.nn.Module:
    part = config.generator
    return reference_networks.Generator(3, 3, part.width, part.blocks, part.upsample)


def _placed(network: torch.nn.Module, device: str, tuned: bool) -> torch.nn.Module:
    network = network.to("cuda" if device == "gpu" else "cpu")
    if not tuned:
        return network
    compiled: Any = torch.compile(network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    return compiled


def _torch_images(part: np.ndarray, device: str, tuned: bool) -> torch.Tensor:
    tensor = torch.from_numpy(np.moveaxis(part, -1, 1).copy()).to("cuda" if device == "gpu" else "cpu")
    return tensor.to(memory_format=torch.channels_last) if tuned else tensor


def _autocast(config: TrainConfig, device: str) -> Any:
    return torch.autocast("cuda" if device == "gpu" else "cpu", torch.bfloat16, enabled=config.dtype == "bfloat16")


def _torch_memory(device: str) -> int:
    if device != "gpu":
        return 0
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def _torch_started(run: Callable[[], None], begin: float, held: int, device: str) -> Side:
    started = _started(run, begin, None)
    peak = torch.cuda.max_memory_allocated() - held if device == "gpu" else None
    return Side(run, started.start_seconds, peak)


def _started(run: Callable[[], None], begin: float, peak_bytes: int | None) -> Side:
    run()
    seconds = time.perf_counter() - begin
    run()
    return Side(run, seconds, peak_bytes)


def _peak(compiled: Any) -> int:
    analysis = compiled.memory_analysis()
    held = analysis.argument_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return int(held + analysis.temp_size_in_bytes)
