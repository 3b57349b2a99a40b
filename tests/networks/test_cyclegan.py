"""Initial weights, sizes and channels of the four networks together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.discriminator import NLayerDiscriminator
from cyclegan_jax.networks.generator import ResNetGenerator
from tests.conftest import tiny_config


def kernels(params) -> list[np.ndarray]:
    return [np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(params) if path[-1].key == "kernel"]


def test_parameters_have_the_modules_structure_and_the_official_distribution():
    config = tiny_config(generator=GeneratorConfig(blocks=2, width=16), discriminator=DiscriminatorConfig(width=16))
    params = cyclegan.initialize(config, jax.random.key(1))
    module = nnx.to_pure_dict(nnx.state(cyclegan.make_generator(config, "AtoB", nnx.Rngs(0)), nnx.Param))
    drawn = params["generators"]["AtoB"]
    assert jax.tree.map(jnp.shape, drawn) == jax.tree.map(jnp.shape, module)
    for name, network in (params["generators"] | params["discriminators"]).items():
        values = np.concatenate([kernel.ravel() for kernel in kernels(network)])
        # Six standard errors of the mean and of the standard deviation.
        assert abs(values.mean()) < 6 * 0.02 / values.size**0.5, name
        assert abs(values.std() - 0.02) < 6 * 0.02 / (2 * values.size) ** 0.5, name
        assert all((leaf == 0).all() for path, leaf in jax.tree.leaves_with_path(network) if path[-1].key == "bias")
    # The modules' own draw, layer by layer, is the plain form of the same distribution.
    plain = np.concatenate([kernel.ravel() for kernel in kernels(module)])
    assert abs(plain.std() - 0.02) < 6 * 0.02 / (2 * plain.size) ** 0.5


def test_every_network_and_layer_has_weights_of_its_own():
    params = cyclegan.initialize(tiny_config(), jax.random.key(1))
    starts = [tuple(kernel.ravel()[:4]) for kernel in kernels(params)]
    assert len(set(starts)) == len(starts)


@pytest.mark.parametrize(
    ("size", "kind", "said"),
    [
        (30, "n_layers", "ResNetGenerator needs a multiple of 4 that is at least 8: take 32"),
        (20, "n_layers", "NLayerDiscriminator needs a multiple of 1 that is at least 24: take 24"),
        (40, "pytorch_gan", "PyTorchGANDiscriminator needs a multiple of 16 that is at least 32: take 32"),
        (16, "pytorch_gan", "PyTorchGANDiscriminator needs a multiple of 16 that is at least 32: take 32"),
    ],
)
def test_an_image_size_that_does_not_fit_is_refused(size, kind, said):
    config = tiny_config(data=DataConfig(image_size=size), discriminator=DiscriminatorConfig(kind=kind, width=4))
    with pytest.raises(UserError) as refusal:
        cyclegan.define(config)
    assert f"data.image_size is {size}, but {said}" in str(refusal.value)


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
@pytest.mark.parametrize("channels", [(1, 3), (4, 1)])
def test_channels_and_sizes(upsample, channels):
    config = TrainConfig(
        data=DataConfig(image_size=32, channels_A=channels[0], channels_B=channels[1]),
        generator=GeneratorConfig(blocks=1, width=4, upsample=upsample),
        discriminator=DiscriminatorConfig(width=4),
    )
    networks = cyclegan.define(config)
    params = jax.eval_shape(lambda: cyclegan.initialize(config, jax.random.key(0)))

    def forward(params, images):
        fake = networks.generate(params["generators"], "AtoB", images)
        return fake, networks.judge(params["discriminators"], "B", fake)

    for height, width in ((32, 48), (24, 28)):
        images = jax.ShapeDtypeStruct((2, height, width, channels[0]), jnp.float32)
        fake, scores = jax.eval_shape(forward, params, images)
        assert fake.shape == (2, height, width, channels[1])
        assert scores.shape == (2, height // 8 - 2, width // 8 - 2, 1)


@pytest.mark.parametrize("shape", [(1, 30, 32, 3), (1, 4, 8, 3), (1, 32, 32, 1), (32, 32, 3)])
def test_the_generator_refuses_other_shapes(shape):
    generator = ResNetGenerator(GeneratorConfig(blocks=0, width=2), 3, 3, rngs=nnx.Rngs(0))
    with pytest.raises(UserError, match=r"the generator (needs|takes)"):
        generator(jnp.zeros(shape))


def test_the_smallest_sizes_work_and_the_next_smaller_do_not():
    generator = ResNetGenerator(GeneratorConfig(blocks=1, width=2), 3, 3, rngs=nnx.Rngs(0))
    assert generator(jnp.zeros((1, 8, 8, 3))).shape == (1, 8, 8, 3)
    judge = NLayerDiscriminator(3, 2, n_layers=2, rngs=nnx.Rngs(0))
    assert judge(jnp.zeros((1, 12, 12, 3))).shape == (1, 1, 1, 1)
    with pytest.raises(UserError, match="at least 12, but was given 11x12"):
        judge(jnp.zeros((1, 11, 12, 3)))


def test_bfloat16_arithmetic_keeps_float32_parameters():
    config = tiny_config(dtype="bfloat16")
    params = cyclegan.initialize(config, jax.random.key(0))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {"float32"}
    output = cyclegan.define(config).generate(params["generators"], "AtoB", jnp.ones((1, 24, 24, 3)))
    assert output.dtype == jnp.bfloat16
