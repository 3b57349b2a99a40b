"""A trained discriminator: loading it, and its heat maps."""

import jax
import numpy as np
import pytest
from flax import nnx

from cyclegan_jax import load_discriminator, optimizer, state
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import DiscriminatorConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference.discriminator import _interpolated, patch_centres
from cyclegan_jax.networks import cyclegan
from tests.conftest import tiny_config


def test_heat_map_interpolates_the_scores_of_the_saved_weights(tmp_path):
    config = tiny_config()
    saved = state.create(config, optimizer.adam(config.optimizer))
    with CheckpointWriter(tmp_path, config) as opened:
        opened.save(saved, {"pairs": 0})
    judge = load_discriminator(tmp_path, "B")
    image = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    scaled = (image[None].astype(np.float32) - 127.5) / 127.5
    expected = cyclegan.define(config).judge(saved.discriminators, "B", jax.numpy.asarray(scaled))[..., 0]
    np.testing.assert_allclose(judge(scaled), expected, atol=1e-5)
    # The error that this comparison detects: the discriminator of the other domain.
    assert np.abs(load_discriminator(tmp_path, "A")(scaled) - expected).max() > 1e-4

    heat = judge.heat_map(image)
    assert heat.shape == (30, 41)
    assert heat.dtype == np.float32
    assert np.asarray(jax.device_get(expected)).min() - 1e-5 <= heat.min() <= heat.max() <= expected.max() + 1e-5
    assert judge.heat_map(image[:1, :2]).shape == (1, 2)
    with pytest.raises(UserError, match="domain is 'C', but it must be A or B"):
        load_discriminator(tmp_path, "C")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "centres"),
    [
        (DiscriminatorConfig(kind="n_layers", n_layers=3, width=4), (11.5, 8)),
        (DiscriminatorConfig(kind="pytorch_gan", width=4), (-0.5, 16)),
        (DiscriminatorConfig(kind="n_layers", n_layers=3, width=4, antialias=True), (11.5, 8)),
        (DiscriminatorConfig(kind="pixel", width=4), (0, 1)),
    ],
)
def test_scores_are_placed_at_the_centres_of_their_patches(config, centres):
    module = nnx.eval_shape(
        lambda: cyclegan.make_discriminator(tiny_config(discriminator=config), "A", jax.random.key(0))
    )
    first, step = patch_centres(module)
    assert (first, step) == centres
    # Each score is the row of its centre, so between the outermost centres each pixel's value is its own row.
    rows = first + step * np.arange(8, dtype=np.float32)
    heat = _interpolated(np.tile(rows[:, None], (1, 3)), 0, first, step, 64)
    np.testing.assert_allclose(heat[:, 0], np.clip(np.arange(64), rows[0], rows[-1]), atol=1e-4)
