"""The architectures of other programs against PyTorch in float64, forward and backward.

The plain forms of the operations compile fastest; test_networks.py compares the others.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.networks import antialias, cyclegan, weights
from cyclegan_jax.networks.frame import WHOLE_ARRAY
from tests.helpers.kernels import PLAIN
from tests.parity import reference_networks as reference
from tests.parity.exchange import from_torch, nchw, nhwc

pytestmark = pytest.mark.usefixtures("x64")

NORMS: Any = ("instance_affine", "batch", "none")


def trained(network: nn.Module) -> nn.Module:
    """A network with random values everywhere: fresh biases, scales and statistics would hide an error in their use."""
    generator = torch.Generator().manual_seed(0)
    network = network.double()
    with torch.no_grad():
        for name, values in (*network.named_parameters(), *network.named_buffers()):
            if not values.is_floating_point() or name.endswith("filter"):
                continue
            drawn = 0.2 * torch.randn(values.shape, generator=generator, dtype=values.dtype)
            is_scale = values.ndim == 1 and name.endswith("weight")
            values.copy_(1 + drawn.abs() if is_scale or name.endswith("running_var") else drawn)
    return network


def compare(theirs: nn.Module, ours: nnx.Module, size: tuple[int, int]) -> tuple[float, float]:
    """Compare outputs, and the gradients of a random function of them for every parameter and the input.

    Returns:
        The largest difference of an output value, and of a gradient relative to the largest of its tensor.
    """
    graphdef, like = nnx.graphdef(ours), weights.params(ours)
    theirs = trained(theirs)
    params = from_torch(theirs, like)
    channels = next(part for part in theirs.modules() if isinstance(part, nn.Conv2d)).in_channels
    x = np.random.default_rng(2).uniform(-1, 1, (2, *size, channels))
    image = nchw(x).requires_grad_()
    expected = theirs(image)
    grad = np.random.default_rng(1).normal(size=nhwc(expected).shape)
    expected.backward(nchw(grad))

    @jax.jit
    def forward_backward(params: Any, x: jax.Array, grad: jax.Array) -> Any:
        value, pull_back = jax.vjp(lambda params, x: nnx.merge(graphdef, params)(x), params, x)
        return value, pull_back(grad)

    value, grads = forward_backward(params, jnp.asarray(x), jnp.asarray(grad))
    assert value.shape == nhwc(expected).shape
    assert np.ptp(nhwc(expected)) > 0.02
    forward = np.abs(value - nhwc(expected)).max()
    assert image.grad is not None
    expected_grads = from_torch(theirs, like, grad=True), nhwc(image.grad)
    backward = max(
        # A bias that an instance norm cancels has a gradient of 0 up to rounding.
        np.abs(np.asarray(one) - other).max() / max(np.abs(other).max(), 1e-2)
        for one, other in zip(jax.tree.leaves(grads), jax.tree.leaves(expected_grads), strict=True)
    )
    print(f"forward {forward:.1e}, gradients {backward:.1e}")
    assert forward <= 1e-10 and backward <= 1e-9, (forward, backward)
    return forward, backward


def our_generator(config: GeneratorConfig, channels: tuple[Any, Any] = (3, 3)) -> Any:
    data = DataConfig(channels_A=channels[0], channels_B=channels[1])
    whole = TrainConfig(data=data, generator=config, dtype="float64")
    return cyclegan.make_generator(whole, "AtoB", jax.random.key(0), PLAIN)


def test_antialiasing_of_odd_and_even_sides():
    """CUT's own sides are even in a generator; a discriminator's are whatever the image has."""
    for size in ((6, 9), (7, 4)):
        x = np.random.default_rng(0).normal(size=(2, *size, 3))
        ours = antialias.halve(WHOLE_ARRAY.reflect(jnp.asarray(x), 1))
        np.testing.assert_allclose(ours, nhwc(reference.Blur(3)(nchw(x))), atol=1e-14)
        ours = antialias.double(WHOLE_ARRAY.replicate(jnp.asarray(x)))
        np.testing.assert_allclose(ours, nhwc(reference.BlurredUpsample(3)(nchw(x))), atol=1e-14)


def our_discriminator(config: DiscriminatorConfig) -> Any:
    whole = TrainConfig(discriminator=config, dtype="float64")
    return cyclegan.make_discriminator(whole, "A", jax.random.key(0), PLAIN)


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
@pytest.mark.parametrize("norm", NORMS)
def test_resnet_generator_with_norm(norm, upsample):
    theirs = reference.Generator(3, 1, 4, 2, upsample, norm)
    compare(theirs, our_generator(GeneratorConfig(blocks=2, width=4, norm=norm, upsample=upsample), (3, 1)), (12, 16))


@pytest.mark.parametrize(
    ("norm", "depth", "channels"),
    [
        ("instance", 5, (1, 4)),
        ("instance_affine", 3, (3, 3)),
        ("batch", 3, (3, 1)),
        ("none", 2, (3, 3)),
    ],
)
def test_unet(norm, depth, channels):
    theirs = reference.unet(channels[0], channels[1], 4, depth, norm)
    config = GeneratorConfig(kind="unet", depth=depth, width=4, norm=norm)
    compare(theirs, our_generator(config, channels), (2**depth, 2 * 2**depth))


@pytest.mark.parametrize(
    ("upsample", "blurs", "norm"),
    [("antialiased", True, "instance"), ("transposed", True, "batch"), ("antialiased", False, "none")],
)
def test_resnet_generator_of_cut(upsample, blurs, norm):
    theirs = reference.Generator(3, 3, 4, 1, upsample, norm, blurs)
    config = GeneratorConfig(blocks=1, width=4, norm=norm, upsample=upsample, antialias=blurs)
    compare(theirs, our_generator(config), (12, 16))


DISCRIMINATORS: dict[str, tuple[nn.Module, DiscriminatorConfig]] = {
    **{
        f"n_layers {norm}": (
            reference.NLayerDiscriminator(3, 4, 2, norm),
            DiscriminatorConfig(n_layers=2, width=4, norm=norm),
        )
        for norm in NORMS
    },
    **{
        f"pixel {norm}": (
            reference.pixel_discriminator(3, 4, norm),
            DiscriminatorConfig(kind="pixel", width=4, norm=norm),
        )
        for norm in ("instance", *NORMS)
    },
    "antialiased": (
        reference.NLayerDiscriminator(3, 4, 2, antialias=True),
        DiscriminatorConfig(n_layers=2, width=4, antialias=True),
    ),
    "antialiased none": (
        reference.NLayerDiscriminator(3, 4, 3, "none", antialias=True),
        DiscriminatorConfig(n_layers=3, width=4, norm="none", antialias=True),
    ),
    "pytorch_gan instance_affine": (
        reference.PyTorchGANDiscriminator(3, 4, "instance_affine"),
        DiscriminatorConfig(kind="pytorch_gan", width=4, norm="instance_affine"),
    ),
}


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminator(name):
    theirs, config = DISCRIMINATORS[name]
    compare(theirs, our_discriminator(config), (32, 32) if config.kind == "pytorch_gan" else (24, 31))
