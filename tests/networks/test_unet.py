"""The U-Net's sizes and dropout, and what else depends on the kind of generator; parity tests compare its numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax.config import DataConfig, GeneratorConfig
from cyclegan_jax.data.dataset import EMPTY, Dataset
from cyclegan_jax.data.eval_images import sample_images
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import test_split as splits
from cyclegan_jax.networks import cyclegan, unet
from cyclegan_jax.networks.unet import UNetGenerator
from cyclegan_jax.training import memory_estimate
from tests.conftest import tiny_config
from tests.helpers.examples import config as data_config
from tests.helpers.examples import example, split_of


def generator(depth: int, dropout: float = 0.0) -> UNetGenerator:
    config = GeneratorConfig(kind="unet", depth=depth, width=2, dropout=dropout)
    return UNetGenerator(config, 3, 1, key=jax.random.key(0))


def test_a_unet_takes_multiples_of_its_smallest_size() -> None:
    network = generator(3)
    assert jax.eval_shape(network, jnp.zeros((1, 8, 24, 3))).shape == (1, 8, 24, 1)
    for height in (4, 20):
        with pytest.raises(UserError, match=rf"multiples of 8 pixels and at least 8, but got {height}x8: resize or"):
            network(jnp.zeros((1, height, 8, 3)))


def test_training_images_fit_a_unet() -> None:
    config = tiny_config(generator=GeneratorConfig(kind="unet", depth=4, width=2))
    assert cyclegan.size_multiple(config) == 16
    with pytest.raises(UserError) as refusal:
        cyclegan.define(config)
    said = "data.image_size is 24, but UNetGenerator needs a multiple of 16 that is at least 16: use 32, or a smaller"
    assert f"{said} generator.depth" in str(refusal.value)


def test_test_images_and_samples_fit_a_unet() -> None:
    image = example(np.zeros((41, 75, 3), np.uint8), "a.png")
    data = Dataset(EMPTY, EMPTY, split_of(image), split_of(image))
    whole = data_config(preprocess="none").data
    assert splits.load(data, whole, multiple=16).images["A"][0].shape == (48, 80, 3)
    assert sample_images(data, whole, 1, 16)["B"].shape == (1, 48, 80, 3)


@pytest.mark.parametrize("depth", [4, 5, 6, 8])
def test_dropout_is_in_the_middle_as_in_the_official_code(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, `depth` - 5 doublings between maps of 8 times the width have it, but not the innermost."""
    seen = []

    def noted(h: jax.Array, rate: float, keys: jax.Array) -> jax.Array:
        seen.append((h.shape[1:], rate))
        return h

    monkeypatch.setattr(unet, "dropout", noted)
    keys = jax.random.split(jax.random.key(1), 1)
    x = jnp.zeros((1, 2**depth, 2**depth, 3))
    jax.eval_shape(lambda: generator(depth, 0.5)(x, keys))
    assert seen == [((side, side, 16), 0.5) for side in (4, 8, 16)[: max(0, depth - 5)]]
    seen.clear()
    jax.eval_shape(lambda: generator(depth, 0.5)(x))
    jax.eval_shape(lambda: generator(depth)(x, keys))
    assert seen == []


def test_dropout_changes_a_unet_by_its_keys() -> None:
    apply = jax.jit(generator(6, 0.5))
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)), jnp.float32)
    keys = jax.random.split(jax.random.key(1), 2)
    without, one, other = np.asarray(generator(6, 0.5)(x)), np.asarray(apply(x, keys)), np.asarray(apply(x, keys[::-1]))
    assert not np.array_equal(without, one)
    assert not np.array_equal(one, other)


def test_the_memory_of_a_unet_names_its_depth() -> None:
    config = tiny_config(data=DataConfig(image_size=32), generator=GeneratorConfig(kind="unet", depth=4, width=2))
    parts = memory_estimate.on_device(config, None, 1)
    params = jax.eval_shape(lambda: cyclegan.initialize(config, jax.random.key(0)))["generators"]
    # With Adam's two moments.
    expected = 3 * sum(leaf.size * 4 for leaf in jax.tree.leaves(params))
    assert parts[("--generator.width", "--generator.depth")] == pytest.approx(expected, rel=0.01)
