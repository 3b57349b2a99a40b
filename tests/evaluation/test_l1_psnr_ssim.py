"""L1, PSNR and SSIM against scikit-image, and at the ends of their ranges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cyclegan_jax.evaluation import l1_psnr_ssim

compare = jax.jit(l1_psnr_ssim.compare)


@pytest.mark.parametrize("shape", [(24, 17, 3), (11, 30, 1)])
def test_equals_scikit_image(x64, shape):
    rng = np.random.default_rng(0)
    first = rng.random((4, *shape))
    noise = np.array([0.01, 0.1, 0.5, 1.0])[:, None, None, None]
    second = np.clip(first + noise * rng.standard_normal(first.shape), 0, 1)
    found = compare(jnp.asarray(first), jnp.asarray(second))
    for i, (one, other) in enumerate(zip(first, second, strict=True)):
        wang = {
            "gaussian_weights": True,
            "sigma": 1.5,
            "use_sample_covariance": False,
            "data_range": 1,
            "channel_axis": 2,
        }
        assert found["ssim"][i] == pytest.approx(structural_similarity(one, other, **wang), abs=1e-10)
        assert found["psnr"][i] == pytest.approx(peak_signal_noise_ratio(one, other, data_range=1), abs=1e-10)
        assert found["l1"][i] == pytest.approx(np.abs(one - other).mean())


def test_float32_is_enough():
    images = np.random.default_rng(1).random((2, 2, 20, 20, 3))
    expected = structural_similarity(
        *images[:, 0], gaussian_weights=True, use_sample_covariance=False, data_range=1, channel_axis=2
    )
    assert compare(*jnp.asarray(images, jnp.float32))["ssim"][0] == pytest.approx(expected, abs=1e-5)


def test_equal_images_and_opposite_ones():
    black, white = jnp.zeros((1, 12, 12, 3)), jnp.ones((1, 12, 12, 3))
    same, opposite = compare(black, black), compare(black, white)
    assert [float(same[name][0]) for name in l1_psnr_ssim.MEASURES] == pytest.approx([0, 100, 1])
    assert [float(opposite[name][0]) for name in ("l1", "psnr")] == pytest.approx([1, 0], abs=1e-6)
    assert opposite["ssim"][0] < 1e-3


def test_no_ssim_below_its_window():
    small = jnp.zeros((2, 10, 30, 3))
    assert np.isnan(l1_psnr_ssim.ssim(small, small)).all()
    assert l1_psnr_ssim.ssim(small, small).shape == (2,)
