"""Every layer, generator and discriminator against PyTorch, forward and backward."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.kernels import instance_norm as norm
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.kernels.plain import upsample_nearest
from cyclegan_jax.networks import layers
from cyclegan_jax.networks.discriminator import NLayerDiscriminator, PatchGAN, PyTorchGANDiscriminator
from cyclegan_jax.networks.generator import ResNetGenerator
from tests.helpers.kernels import AS_WIDE, ON_GPU, PLAIN
from tests.parity import reference_networks as reference
from tests.parity.exchange import assert_same, from_torch, nchw, nhwc

pytestmark = pytest.mark.usefixtures("x64")

RELATIVE = 1e-8
LAYERS: dict[str, tuple[Callable[[jax.Array], jax.Array], nn.Module]] = {
    "reflection_pad 3": (lambda x: layers.reflection_pad(x, 3), nn.ReflectionPad2d(3)),
    "reflection_pad 1": (lambda x: layers.reflection_pad(x, 1), nn.ReflectionPad2d(1)),
    "upsample_nearest": (upsample_nearest, nn.Upsample(scale_factor=2)),
    "instance_norm": (functools.partial(norm.instance_norm, kernels=PLAIN), nn.InstanceNorm2d(5)),
    "instance_norm in few passes": (norm.in_few_passes, nn.InstanceNorm2d(5)),
    "leaky_relu": (lambda x: jax.nn.leaky_relu(x, 0.2), nn.LeakyReLU(0.2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    ours, theirs = LAYERS[name]
    x = np.random.default_rng(0).normal(size=(2, 6, 8, 5))
    image = nchw(x).requires_grad_()
    expected = theirs(image)
    value, pull_back = jax.vjp(ours, jnp.asarray(x))
    grad = np.random.default_rng(1).normal(size=value.shape)
    expected.backward(nchw(grad))
    np.testing.assert_allclose(value, nhwc(expected), rtol=0, atol=1e-12)
    np.testing.assert_allclose(pull_back(jnp.asarray(grad))[0], nhwc(gradient(image)), rtol=0, atol=1e-12)


CONVOLUTIONS: dict[str, tuple[dict[str, Any] | Callable[..., layers.Conv], nn.Module]] = {
    "7x7": ({"side": 7}, nn.Conv2d(3, 4, 7)),
    "3x3 stride 2": ({"side": 3, "stride": 2, "padding": 1}, nn.Conv2d(3, 4, 3, stride=2, padding=1)),
    "4x4 stride 2": ({"side": 4, "stride": 2, "padding": 1}, nn.Conv2d(3, 4, 4, stride=2, padding=1)),
    "4x4 asymmetric": (
        {"side": 4, "padding": ((2, 1), (2, 1))},
        nn.Sequential(nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(3, 4, 4, padding=1)),
    ),
    "3x3 transposed": (layers.TransposedConv, nn.ConvTranspose2d(3, 4, 3, 2, padding=1, output_padding=1)),
    "4x4 transposed": (functools.partial(layers.TransposedConv, side=4), nn.ConvTranspose2d(3, 4, 4, 2, padding=1)),
    "3x3 of nearest": (
        layers.ResizeConv,
        nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3, padding=1)),
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("size", [(8, 10), (9, 7)])
def test_convolution(name, size):
    ours, theirs = CONVOLUTIONS[name]
    theirs = theirs.double()
    make: Any = functools.partial(layers.Conv, **ours) if isinstance(ours, dict) else ours
    module = make(3, 4, dtype=jnp.dtype("float64"), kernels=Kernels.for_platform())
    compare_network(nn.Sequential(theirs), module, np.random.default_rng(0).normal(size=(2, *size, 3)), RELATIVE)


def compare_network(theirs: nn.Module, ours: nnx.Module, x: np.ndarray, relative: float) -> None:
    """Outputs, and the gradients of a random function of them for every parameter and the input."""
    graphdef, params = nnx.graphdef(ours), nnx.to_pure_dict(nnx.state(ours, nnx.Param))
    wrapped = {"head": params} if "kernel" in params else params
    copied = from_torch(theirs, wrapped)
    params = copied["head"] if "kernel" in params else copied
    image = nchw(x).requires_grad_()
    theirs.zero_grad()
    expected = theirs(image)
    grad = np.random.default_rng(1).normal(size=nhwc(expected).shape)
    expected.backward(nchw(grad))

    @jax.jit
    def forward_backward(params: Any, x: jax.Array, grad: jax.Array) -> Any:
        value, pull_back = jax.vjp(lambda params, x: nnx.merge(graphdef, params)(x), params, x)
        return value, *pull_back(grad)

    value, param_grads, image_grad = forward_backward(params, jnp.asarray(x), jnp.asarray(grad))
    close(value, nhwc(expected), relative, "output")
    close(image_grad, nhwc(gradient(image)), relative, "gradient of the input")
    wrapped_grads = {"head": param_grads} if "kernel" in param_grads else param_grads
    assert_same(
        wrapped_grads, from_torch(theirs, wrapped, grad=True), relative=relative, absolute=1e-8, what="gradient"
    )


def gradient(image: torch.Tensor) -> torch.Tensor:
    assert image.grad is not None
    return image.grad


def close(ours: jax.Array, theirs: np.ndarray, relative: float, what: str) -> None:
    assert np.shape(ours) == np.shape(theirs)
    assert np.abs(ours - theirs).max() <= relative * np.abs(theirs).max(), what


def enlarge_biases(network: nn.Module) -> nn.Module:
    """Random biases and wider weights: with the initial zeros a forgotten bias would not show."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return network


@pytest.mark.parametrize(
    ("upsample", "channels", "blocks", "size"),
    [
        ("resize", (3, 3), 2, (16, 20)),
        ("transposed", (3, 3), 2, (16, 20)),
        ("resize", (1, 4), 0, (12, 8)),
        ("transposed", (4, 1), 1, (8, 12)),
    ],
)
def test_generator(upsample, channels, blocks, size):
    compare_generators(upsample, channels, blocks, size)


def compare_generators(
    upsample: Literal["resize", "transposed"],
    channels: tuple[int, int],
    blocks: int,
    size: tuple[int, int],
    kernels: Kernels | None = None,
) -> None:
    theirs = enlarge_biases(reference.Generator(*channels, width=4, blocks=blocks, upsample=upsample).double())
    config = GeneratorConfig(blocks=blocks, width=4, upsample=upsample)
    dtype = jnp.dtype("float64")
    ours = ResNetGenerator(config, *channels, key=jax.random.key(0), dtype=dtype, kernels=kernels)
    compare_network(theirs, ours, np.random.default_rng(2).uniform(-1, 1, (2, *size, channels[0])), RELATIVE)


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_generator_as_wide_ones_compute(upsample):
    compare_generators(upsample, (3, 3), 2, (16, 24), AS_WIDE)


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_generator_as_on_gpu(upsample):
    compare_generators(upsample, (3, 3), 1, (12, 20), ON_GPU)


@pytest.mark.parametrize(
    ("kind", "n_layers", "channels", "size"),
    [
        ("pytorch_gan", 0, 3, (32, 48)),
        ("n_layers", 3, 3, (24, 31)),
        ("n_layers", 1, 1, (9, 12)),
        ("n_layers", 4, 4, (48, 50)),
    ],
)
def test_discriminator(kind, n_layers, channels, size):
    compare_discriminators(kind, n_layers, channels, size)


def compare_discriminators(
    kind: Literal["pytorch_gan", "n_layers"],
    n_layers: int,
    channels: int,
    size: tuple[int, int],
    kernels: Kernels | None = None,
) -> None:
    theirs: nn.Module
    ours: PatchGAN
    key, dtype = jax.random.key(0), jnp.dtype("float64")
    if kind == "pytorch_gan":
        theirs = reference.PyTorchGANDiscriminator(channels, 4)
        ours = PyTorchGANDiscriminator(channels, 4, key=key, dtype=dtype, kernels=kernels)
    else:
        theirs = reference.NLayerDiscriminator(channels, 4, n_layers)
        ours = NLayerDiscriminator(channels, 4, n_layers, key=key, dtype=dtype, kernels=kernels)
    x = np.random.default_rng(3).uniform(-1, 1, (2, *size, channels))
    compare_network(enlarge_biases(theirs.double()), ours, x, RELATIVE)


def test_discriminator_as_on_gpu():
    compare_discriminators("n_layers", 1, 1, (9, 12), ON_GPU)


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_float32_forward_at_the_initial_weights(upsample):
    compare_in_float32(upsample)


def compare_in_float32(upsample: Literal["resize", "transposed"], kernels: Kernels | None = None) -> None:
    """At full depth the float32 outputs agree to a hundred-thousandth of their range."""
    torch.manual_seed(0)
    theirs = reference.Generator(3, 3, width=16, blocks=9, upsample=upsample)
    config = GeneratorConfig(blocks=9, width=16, upsample=upsample)
    ours = ResNetGenerator(config, 3, 3, key=jax.random.key(0), kernels=kernels)
    params = from_torch(theirs, nnx.to_pure_dict(nnx.state(ours, nnx.Param)))
    x = np.random.default_rng(4).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    with jax.enable_x64(False), torch.no_grad():
        output = np.asarray(nnx.merge(nnx.graphdef(ours), params)(jnp.asarray(x)))
        expected = nhwc(theirs(nchw(x)))
    assert output.dtype == np.float32
    assert np.abs(output - expected).max() <= 1e-5 * np.ptp(expected)


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_float32_forward_as_wide_ones_compute(upsample):
    compare_in_float32(upsample, AS_WIDE)


@pytest.mark.parametrize("kind", ["pytorch_gan", "n_layers"])
def test_float32_discriminator_forward(kind):
    torch.manual_seed(0)
    make_theirs = reference.PyTorchGANDiscriminator if kind == "pytorch_gan" else reference.NLayerDiscriminator
    make_ours = PyTorchGANDiscriminator if kind == "pytorch_gan" else NLayerDiscriminator
    theirs, ours = make_theirs(3, 16), make_ours(3, 16, key=jax.random.key(0))
    params = from_torch(theirs, nnx.to_pure_dict(nnx.state(ours, nnx.Param)))
    x = np.random.default_rng(4).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    with jax.enable_x64(False), torch.no_grad():
        output = np.asarray(nnx.merge(nnx.graphdef(ours), params)(jnp.asarray(x)))
        expected = nhwc(theirs(nchw(x)))
    assert np.abs(output - expected).max() <= 1e-5 * np.ptp(expected)
