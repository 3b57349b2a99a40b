"""Fresh weights against `torch.nn.init`, applied as the official code does: statistics, and orthogonality."""

import math
from typing import Any

import jax
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from cyclegan_jax.config import GeneratorConfig, TrainConfig
from cyclegan_jax.networks import cyclegan, weights
from tests.parity import reference_networks as reference
from tests.parity.exchange import from_torch

GAIN = 0.3
OFFICIAL: dict[str, Any] = {
    "normal": lambda weight: nn.init.normal_(weight, 0.0, GAIN),
    "xavier": lambda weight: nn.init.xavier_normal_(weight, gain=GAIN),
    "kaiming": lambda weight: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
    "orthogonal": lambda weight: nn.init.orthogonal_(weight, gain=GAIN),
}


def both(kind: Any) -> tuple[Any, Any]:
    """Our fresh parameters of a U-Net with batch norm, which has layers of every kind, and theirs in our layout."""
    theirs = reference.unet(3, 3, 16, 3, "batch")
    torch.manual_seed(0)
    for part in theirs.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            OFFICIAL[kind](part.weight)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, GAIN)
    config = GeneratorConfig(kind="unet", depth=3, width=16, norm="batch")
    whole = TrainConfig(generator=config, init=kind, init_gain=GAIN)
    ours = weights.params(cyclegan.make_generator(whole, "AtoB", jax.random.key(0)))
    return ours, from_torch(theirs, ours)


@pytest.mark.parametrize("kind", OFFICIAL)
def test_fresh_weights_have_the_statistics_of_pytorch(kind):
    pairs = list(zip(*map(jax.tree.leaves_with_path, both(kind)), strict=True))
    for (path, one), (_, other) in pairs:
        one, other = np.asarray(one), np.asarray(other)
        if path[-1].key not in ("kernel", "scale"):
            np.testing.assert_array_equal(one, other)
            continue
        # Six standard errors of a difference of two means, and of two standard deviations.
        assert abs(one.mean() - other.mean()) < 6 * other.std() * math.sqrt(2 / one.size), path
        assert abs(one.std() - other.std()) < 6 * other.std() / math.sqrt(one.size), path
    kernels = [np.asarray(one).ravel() for (path, one), _ in pairs if path[-1].key == "kernel"]
    # The statistics cannot be those of another layer: deviations differ between layers, but for `normal`.
    deviations = [kernel.std() for kernel in kernels]
    assert (max(deviations) / min(deviations) > 1.5) == (kind != "normal")


def test_orthogonal_kernels_are_orthogonal_as_pytorchs():
    """For both layouts of kernels, and whether there are more rows or more columns."""
    for params in both("orthogonal"):
        for place, transposed in (
            (params["down"][0], False),
            (params["down"][2], False),
            (params["up"][0], True),
            (params["head"], True),
        ):
            kernel = np.asarray(place["kernel"], np.float64)
            matrix = kernel.transpose(2, 3, 0, 1) if transposed else kernel.transpose(3, 2, 0, 1)
            matrix = matrix.reshape(matrix.shape[0], -1)
            gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
            np.testing.assert_allclose(gram, GAIN**2 * np.eye(len(gram)), atol=1e-6)


def test_other_scales_start_at_one_as_there():
    """The official code draws the scales of batch norms only."""
    config = TrainConfig(generator=GeneratorConfig(blocks=0, width=4, norm="instance_affine"), init_gain=GAIN)
    generator = nnx.state(cyclegan.make_generator(config, "AtoB", jax.random.key(0)), nnx.Param)
    np.testing.assert_array_equal(nnx.to_pure_dict(generator)["stem"]["scale"], np.ones(4))
