"""Time one training step: ours, ours with XLA's own weight gradients, and the PyTorch reference, taking turns.

    python -m benchmarks.train_step --size 64 --width 32 --blocks 4

Needs jax, flax, optax, orbax, pillow and torch. The last line is JSON.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from unittest import mock

from cyclegan_jax import backend

backend.prepare()

import flax  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from cyclegan_jax import optimizer, recipes, state  # noqa: E402
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig  # noqa: E402
from cyclegan_jax.networks import convolution, cyclegan  # noqa: E402
from cyclegan_jax.train_step import make_train_step  # noqa: E402
from tests.parity import reference_networks, reference_training  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=("paper", "pytorch_gan"), default="paper")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[args.device])

    config = make_config(args)
    batch = np.random.default_rng(0).uniform(-1, 1, (2, args.batch, args.size, args.size, 3)).astype(np.float32)
    runners = {"ours": ours(config, batch), "torch_eager": torch_eager(config, batch, args.device)}
    if args.device == "cpu":
        with mock.patch.object(convolution, "_taps_are_faster", lambda *shape: False):
            runners["ours_plain_weight_gradients"] = ours(config, batch)

    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(args.rounds):
        for name, run in runners.items():
            begin = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - begin))
    medians = {name: statistics.median(values) for name, values in times.items()}

    print(
        f"{platform.processor() or platform.machine()}, {jax.devices()[0].device_kind}; jax {jax.__version__}, "
        f"flax {flax.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    print(
        f"{args.recipe}, {args.size} px, width {args.width}, {args.blocks} blocks, batch {args.batch}, {args.dtype}\n"
    )
    print("| step | median ms | image pairs/s | time against ours |\n|---|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.1f} | {1000 * args.batch / median:.2f} | {median / medians['ours']:.2f} |")
    result = {f"{name}_ms": round(median, 2) for name, median in medians.items()}
    result |= {
        f"{name}_ratio": round(median / medians["ours"], 3) for name, median in medians.items() if name != "ours"
    }
    print(json.dumps(result))


def make_config(args: argparse.Namespace) -> TrainConfig:
    recipe = recipes.paper() if args.recipe == "paper" else recipes.pytorch_gan()
    values = {name: getattr(recipe, name) for name in ("loss", "optimizer", "update_first")}
    return TrainConfig(
        **values,
        data=DataConfig(image_size=args.size),
        generator=GeneratorConfig(args.blocks, args.width, recipe.generator.upsample),
        discriminator=DiscriminatorConfig(recipe.discriminator.kind, width=args.width),
        batch_size=args.batch,
        pool_size=0,  # the reference's pool is scripted; the exchange costs microseconds
        dtype=args.dtype,
    )


def ours(config: TrainConfig, batch: np.ndarray) -> Callable[[], None]:
    """A compiled step that keeps its state."""
    transform = optimizer.adam(config.optimizer)
    step = jax.jit(make_train_step(config, cyclegan.define(config), transform, epoch_images=1000), donate_argnums=0)
    current = jax.jit(lambda: state.create(config, transform))()
    images = jax.device_put({"A": batch[0], "B": batch[1]})

    def run() -> None:
        nonlocal current
        current, metrics = step(current, images)
        jax.block_until_ready((current, metrics))

    run()
    run()
    return run


def torch_eager(config: TrainConfig, batch: np.ndarray, device: str) -> Callable[[], None]:
    """The reference's step on the same work."""
    place = torch.device("cuda" if device == "gpu" else "cpu")
    width = config.discriminator.width
    make = reference_networks.SeedDiscriminator
    if config.discriminator.kind == "n_layers":
        make = reference_networks.NLayerDiscriminator  # type: ignore[assignment]
    generators = tuple(
        reference_networks.Generator(3, 3, config.generator.width, config.generator.blocks, config.generator.upsample)
        for _ in "GF"
    )
    discriminators = tuple(make(3, width) for _ in "AB")
    for network in (*generators, *discriminators):
        network.to(place)
    options = {"kind": "adam", "learning_rate": config.optimizer.learning_rate, "factor": lambda step: 1.0}
    trainer: reference_training.Trainer
    if config.update_first == "discriminators":
        trainer = reference_training.SeedTrainer(generators, discriminators, **options)  # type: ignore[arg-type]
    else:
        off = reference_training.ImagePool(0, iter(()))
        trainer = reference_training.OfficialTrainer(
            generators,
            discriminators,
            pools=(off, off),
            cycle_A=10.0,
            cycle_B=10.0,
            identity=0.0,
            **options,
        )
    images = [torch.from_numpy(np.moveaxis(part, -1, 1).copy()).to(place) for part in batch]
    precision = torch.autocast(place.type, torch.bfloat16, enabled=config.dtype == "bfloat16")

    def run() -> None:
        with precision:
            trainer.step(*images)  # its loss values come back to the host, which waits for the device

    run()
    run()
    return run


if __name__ == "__main__":
    main()
