"""A lower bound of the memory that a training needs, from shapes alone, before anything is read or allocated."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final

import jax

from cyclegan_jax import optimizer, state
from cyclegan_jax.config import Domain, TrainConfig
from cyclegan_jax.data.batches import batches_ahead
from cyclegan_jax.devices import memory

Sizes = Mapping[Domain, tuple[int, int]]

_RESNETS: Final = ("--generator.width", "--generator.blocks")
_UNETS: Final = ("--generator.width", "--generator.depth")
_DISCRIMINATORS: Final = ("--discriminator.width", "--discriminator.n_layers")
_POOLS: Final = ("--pool_size", "--data.image_size")
_STEP: Final = ("--batch_size", "--accumulate", "--data.image_size", "--generator.width")
_AHEAD: Final = ("--batch_size", "--data.image_size", "--data.threads")
_PART: Final = {"pool_A": _POOLS, "pool_B": _POOLS}
"""The flags that decide the size of a field of the state; the other fields are of generators or of discriminators."""


def check(config: TrainConfig, sizes: Sizes | None = None) -> None:
    """Compare the estimate with the memory of the devices and of this machine.

    Args:
        config: the experiment.
        sizes: as for `state.create`.

    Raises:
        UserError: there is less memory; the message names the fields that matter.
    """
    device, devices = jax.local_devices()[0], len(jax.local_devices())
    on_devices = on_device(config, sizes, jax.device_count())
    on_host: memory.Parts = {
        _AHEAD: _batch_bytes(config, sizes, itemsize=1) * batches_ahead(config.data.threads) // jax.process_count()
    }
    if device.platform == "cpu":
        # Here the host's memory is the devices' too.
        shared = {name: number * devices for name, number in on_devices.items()}
        memory.check_parts({**shared, **on_host}, memory.host_bytes(), "this machine")
    else:
        memory.check_parts(on_devices, memory.device_bytes(device), "each device")
        memory.check_parts(on_host, memory.host_bytes(), "this machine")


def on_device(config: TrainConfig, sizes: Sizes | None, devices: int) -> memory.Parts:
    """Return bytes that each device needs, by the flags that decide them.

    These are the state, and of a step only the images and one generator's first activations: a step needs several
    times as much, which its compiled program shows.
    """
    is_unet = config.generator.kind == "unet"
    generators = _UNETS if is_unet else _RESNETS
    parts: dict[tuple[str, ...], int] = dict.fromkeys((generators, _DISCRIMINATORS, _POOLS), 0)
    for name, number in _state_bytes(config, sizes).items():
        parts[_PART.get(name, _DISCRIMINATORS if "discriminator" in name else generators)] += number
    images = _batch_bytes(config, sizes, itemsize=1) * config.accumulate * config.steps_per_dispatch
    height, width = _sizes(config, sizes)["A"]
    item = jax.numpy.dtype(config.dtype).itemsize
    # A ResNet's first convolution keeps the size of the image, a U-Net's halves height and width.
    pixels = height * width // 4 if is_unet else height * width
    activations = config.batch_size * pixels * config.generator.width * item
    return {**parts, _STEP: (images + activations) // devices}


def _state_bytes(config: TrainConfig, sizes: Sizes | None) -> dict[str, int]:
    """Return the bytes of each field of the state."""
    without, with_one = (_traced_bytes(_with_blocks(config, blocks), sizes) for blocks in (0, 1))
    # The state grows by the same number of bytes with each block. Tracing a thousand blocks takes minutes.
    return {name: without[name] + config.generator.blocks * (with_one[name] - without[name]) for name in without}


def _traced_bytes(config: TrainConfig, sizes: Sizes | None) -> dict[str, int]:
    shapes = jax.eval_shape(lambda: state.create(config, optimizer.adam(config.optimizer), sizes))
    return {name: sum(map(_leaf_bytes, jax.tree.leaves(value))) for name, value in shapes._asdict().items()}


def _leaf_bytes(leaf: Any) -> int:
    return int(math.prod(leaf.shape) * leaf.dtype.itemsize)


def _with_blocks(config: TrainConfig, blocks: int) -> TrainConfig:
    return dataclasses.replace(config, generator=dataclasses.replace(config.generator, blocks=blocks))


def _batch_bytes(config: TrainConfig, sizes: Sizes | None, itemsize: int) -> int:
    """Return the bytes of a batch of both domains over all devices."""
    shapes = _sizes(config, sizes)
    pixels = sum(math.prod(shapes[domain]) * config.data.channels(domain) for domain in shapes)
    return config.batch_size * pixels * itemsize


def _sizes(config: TrainConfig, sizes: Sizes | None) -> Sizes:
    crop = config.data.crop_size
    return {"A": crop, "B": crop} if sizes is None else sizes
