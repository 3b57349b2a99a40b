"""Initial weights, sizes and channels of the four networks together."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks import cyclegan, weights
from cyclegan_jax.networks.discriminator import NLayerDiscriminator
from cyclegan_jax.networks.generator import ResNetGenerator
from tests.conftest import tiny_config


def kernels(params: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(params) if path[-1].key == "kernel"]


def test_weights_have_the_official_distribution():
    config = tiny_config(generator=GeneratorConfig(blocks=2, width=16), discriminator=DiscriminatorConfig(width=16))
    params = cyclegan.initialize(config, jax.random.key(1))
    for name, network in (params["generators"] | params["discriminators"]).items():
        values = np.concatenate([kernel.ravel() for kernel in kernels(network)])
        # Six standard errors of the mean and of the standard deviation.
        assert abs(values.mean()) < 6 * 0.02 / values.size**0.5, name
        assert abs(values.std() - 0.02) < 6 * 0.02 / (2 * values.size) ** 0.5, name
        assert all((leaf == 0).all() for path, leaf in jax.tree.leaves_with_path(network) if path[-1].key == "bias")


def test_weights_of_a_seed_stay_what_they_were():
    """A run of a given seed starts from the same weights in every version: these are those of the first one."""
    first_and_last = {
        ("generators", "AtoB", "stem"): (0.02343868277966976, 0.018175780773162842),
        ("generators", "BtoA", "head"): (0.011437109671533108, 0.013726647011935711),
        ("discriminators", "A", "head"): (-0.05395343527197838, -0.019624562934041023),
        ("discriminators", "B", "head"): (-0.0057758004404604435, 0.01224114466458559),
    }
    params: Any = cyclegan.initialize(tiny_config(), jax.random.key(1))
    for (kind, name, layer), expected in first_and_last.items():
        kernel = np.asarray(params[kind][name][layer]["kernel"]).ravel()
        np.testing.assert_allclose((kernel[0], kernel[-1]), expected, rtol=1e-6)
    blocks = params["generators"]["AtoB"]["blocks"][0]["conv1"]["kernel"]
    assert float(blocks[0, 0, 0, 0]) == pytest.approx(0.010638747364282608, rel=1e-6)


@pytest.mark.parametrize("norm", ["instance_affine", "batch", "none"])
def test_fresh_norms_start_around_the_identity(norm):
    """Scales and running variances start around 1; with zeros, nothing would come through."""
    config = tiny_config(
        generator=GeneratorConfig(blocks=1, width=4, norm=norm), discriminator=DiscriminatorConfig(width=4, norm=norm)
    )
    params = cyclegan.initialize(config, jax.random.key(1))
    starts: dict[str, set[float]] = {"bias": {0.0}, "scale": {1.0}, "shift": {0.0}, "mean": {0.0}, "var": {1.0}}
    found = set()
    for path, leaf in jax.tree.leaves_with_path(params):
        if path[-1].key == "scale" and norm == "batch":
            assert 0 < np.abs(leaf - 1).max() < 6 * 0.02, path
        elif path[-1].key != "kernel":
            assert set(np.unique(leaf)) == starts[path[-1].key], path
        if path[-1].key != "kernel":
            found.add(path[-1].key)
    expected: Any = {"instance_affine": {"scale", "shift"}, "batch": {"scale", "shift", "mean", "var"}, "none": set()}
    assert found == expected[norm] | {"bias"}
    # The official rule: a bias where the norm is an instance norm, at the head, and in a discriminator's first layer.
    generator: Any = params["generators"]["AtoB"]
    discriminator: Any = params["discriminators"]["A"]
    assert all("bias" in layer for layer in (generator["head"], discriminator["convs"][0], discriminator["head"]))
    hidden = (generator["stem"], generator["blocks"][0]["conv2"], generator["up"][1], discriminator["convs"][1])
    assert all(("bias" in layer) == (norm == "instance_affine") for layer in hidden)


def test_a_module_by_itself_starts_with_trainings_weights():
    config, key = tiny_config(), jax.random.key(3)
    trained = cyclegan.initialize(config, key)["discriminators"]["B"]
    module = NLayerDiscriminator(3, config.discriminator.width, key=jax.random.split(key, 4)[3])
    jax.tree.map(np.testing.assert_array_equal, weights.params(module), trained)


def test_every_network_and_layer_has_weights_of_its_own():
    params = cyclegan.initialize(tiny_config(), jax.random.key(1))
    starts = [tuple(kernel.ravel()[:4]) for kernel in kernels(params)]
    assert len(set(starts)) == len(starts)


@pytest.mark.parametrize(
    ("size", "kind", "said"),
    [
        (30, "n_layers", "ResNetGenerator needs a multiple of 4 that is at least 8: use 32"),
        (20, "n_layers", "NLayerDiscriminator needs a multiple of 1 that is at least 24: use 24"),
        ("24x42", "n_layers", "ResNetGenerator needs multiples of 4 that are at least 8: use 24x40"),
        ("40x20", "n_layers", "NLayerDiscriminator needs multiples of 1 that are at least 24: use 40x24"),
        (40, "pytorch_gan", "PyTorchGANDiscriminator needs a multiple of 16 that is at least 32: use 32"),
        (16, "pytorch_gan", "PyTorchGANDiscriminator needs a multiple of 16 that is at least 32: use 32"),
    ],
)
def test_an_image_size_that_does_not_fit_is_refused(size, kind, said):
    config = tiny_config(data=DataConfig(image_size=size), discriminator=DiscriminatorConfig(kind=kind, width=4))
    with pytest.raises(UserError) as refusal:
        cyclegan.define(config)
    assert f"data.image_size is {size}, but {said}" in str(refusal.value)


@pytest.mark.parametrize(("kind", "multiple"), [("n_layers", 4), ("pytorch_gan", 16)])
def test_training_images_fit_both_kinds_of_network(kind, multiple):
    config = tiny_config(data=DataConfig(image_size=48), discriminator=DiscriminatorConfig(kind=kind, width=4))
    assert cyclegan.size_multiple(config) == multiple
    size = 48 + multiple
    cyclegan.define(config, {"A": (48, size), "B": (size, 48)})
    with pytest.raises(UserError, match="images of domain A"):
        cyclegan.define(config, {"A": (48 + multiple // 2, 48), "B": (48, 48)})


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

    def forward(params: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        fake = networks.generate(params["generators"], "AtoB", images)
        return fake, networks.judge(params["discriminators"], "B", fake)

    for height, width in ((32, 48), (24, 28)):
        images = jax.ShapeDtypeStruct((2, height, width, channels[0]), jnp.float32)
        fake, scores = jax.eval_shape(forward, params, images)
        assert fake.shape == (2, height, width, channels[1])
        assert scores.shape == (2, height // 8 - 2, width // 8 - 2, 1)


@pytest.mark.parametrize("shape", [(1, 30, 32, 3), (1, 4, 8, 3), (1, 32, 32, 1), (32, 32, 3)])
def test_the_generator_refuses_other_shapes(shape):
    generator = ResNetGenerator(GeneratorConfig(blocks=0, width=2), 3, 3, key=jax.random.key(0))
    with pytest.raises(UserError, match=r"the generator (needs|takes)"):
        generator(jnp.zeros(shape))


def test_the_smallest_sizes_work_and_the_next_smaller_do_not():
    generator = ResNetGenerator(GeneratorConfig(blocks=1, width=2), 3, 3, key=jax.random.key(0))
    assert generator(jnp.zeros((1, 8, 8, 3))).shape == (1, 8, 8, 3)
    judge = NLayerDiscriminator(3, 2, n_layers=2, key=jax.random.key(0))
    assert judge(jnp.zeros((1, 12, 12, 3))).shape == (1, 1, 1, 1)
    with pytest.raises(UserError, match="at least 12, but got 11x12"):
        judge(jnp.zeros((1, 11, 12, 3)))


def test_bfloat16_arithmetic_keeps_float32_parameters():
    config = tiny_config(dtype="bfloat16")
    params = cyclegan.initialize(config, jax.random.key(0))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {"float32"}
    output = cyclegan.define(config).generate(params["generators"], "AtoB", jnp.ones((1, 24, 24, 3)))
    assert output.dtype == jnp.bfloat16
