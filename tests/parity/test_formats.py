"""One image through PyTorch, this package, ONNX Runtime and a StableHLO program: every architecture, several sizes."""

import dataclasses
import typing
from typing import Any

import jax
import numpy as np
import pytest
import torch
from torch import nn

from cyclegan_jax.config import DataConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.exchange import agreement, onnx_file, stablehlo
from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import cyclegan, weights
from tests.helpers.generators import images
from tests.parity import reference_networks as reference
from tests.parity.exchange import from_torch, nchw, nhwc
from tests.parity.test_architectures import trained

MOST = 2e-4
"""A ten-thousandth of the range from -1 to 1."""
SIZES = ((1, 16, 16), (3, 24, 16), (1, 32, 32))
"""Batch, height and width."""
PLAIN = Kernels(frozenset())
"""They compile faster than those for the CPU, which have their own tests."""
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "instance": {},
    "instance_affine": {"norm": "instance_affine"},
    "batch": {"norm": "batch"},
    "none": {"norm": "none"},
    "resize": {"upsample": "resize"},
    "antialiased": {"upsample": "antialiased", "antialias": True},
    "unet": {"kind": "unet", "depth": 3},
    "unet, batch": {"kind": "unet", "depth": 3, "norm": "batch"},
}
"""What differs from the default generator, by a short name."""


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_all_formats_agree(name: str) -> None:
    config = GeneratorConfig(blocks=1, width=4, **ARCHITECTURES[name])
    if config.kind == "unet":
        theirs = reference.unet(3, 1, config.width, config.depth, config.norm)
    else:
        shape = config.width, config.blocks, config.upsample, config.norm, config.antialias
        theirs = reference.Generator(3, 1, *shape)
    differences = compare(trained(theirs).float(), config)
    print(f"{name}: " + ", ".join(f"{one} {value:.1e}" for one, value in differences.items()))
    assert max(differences.values()) <= MOST, differences


def test_every_choice_of_a_generator_is_exported() -> None:
    hints = typing.get_type_hints(GeneratorConfig)
    for field in dataclasses.fields(GeneratorConfig):
        for choice in (False, True) if hints[field.name] is bool else typing.get_args(hints[field.name]):
            exported = {getattr(GeneratorConfig(**changes), field.name) for changes in ARCHITECTURES.values()}
            assert choice in exported, f"generator.{field.name}={choice}"


def compare(theirs: nn.Module, config: GeneratorConfig) -> dict[str, float]:
    """The largest difference of each format's outputs from PyTorch's, for all sizes together."""
    experiment = TrainConfig(data=DataConfig(channels_B=1), generator=config)
    shapes = jax.eval_shape(lambda: weights.params(cyclegan.make_generator(experiment, "AtoB", jax.random.key(0))))
    model = Pretrained(experiment, "AtoB", 0, from_torch(theirs, shapes))
    programs = {
        "cyclegan-jax": agreement.own_program(model, PLAIN, uint8=False),
        "ONNX Runtime": onnx_file.load(onnx_file.encode(model)),
        "StableHLO": stablehlo.load(stablehlo.encode(model)),
    }
    differences = dict.fromkeys(programs, 0.0)
    for size in SIZES:
        taken = images((*size, 3))
        with torch.inference_mode():
            expected = nhwc(theirs(nchw(taken)))
        assert np.ptp(expected) > 0.01
        for name, program in programs.items():
            found = np.asarray(program(taken))
            assert found.shape == expected.shape and found.dtype == np.float32
            differences[name] = max(differences[name], float(np.abs(found - expected).max()))
    return differences
