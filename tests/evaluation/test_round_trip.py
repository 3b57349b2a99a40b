"""Test images of several sizes there and back: results and measures equal those of single images."""

import jax
import numpy as np
import pytest

from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.evaluation import round_trip
from cyclegan_jax.evaluation.round_trip import Translator
from cyclegan_jax.networks import cyclegan
from tests.conftest import tiny_config

CONFIG = tiny_config(generator=GeneratorConfig(blocks=0, width=2))
SHAPES = [(12, 20), (20, 12), (12, 20), (12, 20)]


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]
    params = cyclegan.initialize(CONFIG, jax.random.key(0))["generators"]
    params = jax.tree.map(lambda leaf: 10 * leaf, params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(round_trip, "BATCH", 2)
        found = Translator(CONFIG)(params, "B", images, keep_cycled=(1, 3))
    return images, params, found


@jax.jit
def there_and_back(params, image):
    networks = cyclegan.define(CONFIG)
    inputs = images_lib.to_model_range(image[None], "float32")
    fake = networks.generate(params, "BtoA", inputs)
    back = networks.generate(params, "AtoB", fake)
    return (fake[0] + 1) / 2, (back[0] + 1) / 2


def test_outputs_and_measures_equal_those_of_single_images(made):
    images, params, found = made
    colour = np.concatenate([image.reshape(-1, 3) for image in images]).mean(axis=0) / 255
    others = {0: 3, 2: 0, 3: 2}
    assert set(found.cycled) == {1, 3}
    for i, image in enumerate(images):
        fake, back = map(np.asarray, there_and_back(params, image))
        assert found.outputs[i].shape == image.shape
        assert np.abs(found.outputs[i] / 255 - fake).max() < 0.6 / 255
        if i in found.cycled:
            assert np.abs(found.cycled[i] / 255 - back).max() < 0.6 / 255
        unit = image / 255
        expected = {
            "cycle/l1": np.abs(unit - back).mean(),
            "cycle/psnr": 10 * np.log10(1 / ((unit - back) ** 2).mean()),
            "cycle/change": np.abs(unit - fake).mean(),
            "mean_colour/l1": np.abs(unit - colour).mean(),
        }
        if i in others:
            other = images[others[i]] / 255
            expected["shuffled/l1"] = np.abs(other - back).mean()
            expected["shuffled/change"] = np.abs(other - fake).mean()
        else:
            assert np.isnan(found.measures["shuffled/l1"][i]), "the only image of its size has no other"
        for name, value in expected.items():
            assert found.measures[name][i] == pytest.approx(value, rel=1e-4), (name, i)
    assert not np.isnan(found.measures["cycle/ssim"]).any()


def test_domains_with_different_channels():
    """From gray floats to RGB: the change cannot be measured, everything else can."""
    base = tiny_config()
    data = base.data.__class__(image_size=24, channels_A=1, range_A=(0, 1))
    config = tiny_config(data=data, generator=CONFIG.generator)
    params = cyclegan.initialize(config, jax.random.key(0))["generators"]
    images = [np.full((12, 12, 1), value, np.float32) for value in (-0.5, 1.0)]
    found = Translator(config)(params, "A", images)
    assert found.outputs[0].shape == (12, 12, 3)
    assert "cycle/change" not in found.measures
    # The mean of the inputs is 0.25 in [-1, 1]; each differs from it by 0.75, which is 0.375 in [0, 1].
    np.testing.assert_allclose(found.measures["mean_colour/l1"], [0.375, 0.375], rtol=1e-6)
