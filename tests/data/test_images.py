"""The value range of the networks, picture grids and PNG files."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.data import images
from cyclegan_jax.data.decode import decode
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError


def noise(height: int, width: int, channels: int, seed: int = 0) -> Uint8Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_every_uint8_value_survives_both_conversions() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    for scale in (images.to_model_range, jax.jit(images.to_model_range, static_argnums=1)):
        scaled = scale(jnp.asarray(values), "float32")
        assert scaled.dtype == jnp.float32
        np.testing.assert_allclose(scaled, values / 127.5 - 1, atol=2e-7)
        assert -1 <= float(scaled.min()) <= float(scaled.max()) <= 1
        np.testing.assert_array_equal(images.to_uint8(scaled), values)
        assert np.any(((np.asarray(scaled) + 1) * 127.5).astype(np.uint8) != values), "truncation would do as well"


def test_float64_is_exact_too() -> None:
    values = np.arange(256, dtype=np.uint8)
    with jax.enable_x64(True):
        scaled = images.to_model_range(jnp.asarray(values), "float64")
        assert scaled.dtype == jnp.float64
        np.testing.assert_allclose(scaled, values / 127.5 - 1, rtol=0, atol=1e-15)
        np.testing.assert_array_equal(images.to_uint8(scaled), values)


def test_to_model_range_takes_floats_as_they_are() -> None:
    scaled = images.to_model_range(jnp.array([-1.0, 0.25, 1.0], jnp.bfloat16), "float32")
    assert scaled.dtype == jnp.float32
    np.testing.assert_array_equal(scaled, [-1.0, 0.25, 1.0])


def test_to_uint8_rounds_and_clips() -> None:
    values = np.array([-1.5, -1.0, 0.0, 0.999, 1.0, 7.0, np.inf])
    np.testing.assert_array_equal(images.to_uint8(values), [0, 0, 128, 255, 255, 255, 255])
    np.testing.assert_array_equal(images.to_uint8(jnp.array([-1.0, 0.0, 1.0], jnp.bfloat16)), [0, 128, 255])


def test_ranges_refuse_other_types_and_nan() -> None:
    with pytest.raises(UserError, match=r"images are int32, but they must be uint8 in .* or floats"):
        images.to_model_range(jnp.zeros(3, jnp.int32), "float32")
    with pytest.raises(UserError, match="images are uint8, but they must be floats"):
        images.to_uint8(np.zeros(3, np.uint8))
    with pytest.raises(UserError, match="the images hold NaN"):
        images.to_uint8(np.array([0.0, np.nan]))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_save_png_is_read_back_as_it_was(tmp_path: Path, channels: int) -> None:
    image = noise(6, 5, channels)
    images.save_png(tmp_path / "a.png", image)
    np.testing.assert_array_equal(decode((tmp_path / "a.png").read_bytes(), channels, "a.png"), image)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_save_png_replaces_a_picture_at_once(tmp_path: Path) -> None:
    """A reader that has the old file open still reads the old picture, not a mixture of both."""
    images.save_png(tmp_path / "a.png", noise(6, 5, 3))
    old = (tmp_path / "a.png").read_bytes()
    with (tmp_path / "a.png").open("rb") as reader:
        images.save_png(tmp_path / "a.png", noise(6, 5, 3, seed=1))
        assert reader.read() == old
    assert (tmp_path / "a.png").read_bytes() != old


def test_save_png_that_fails_half_way_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, old = tmp_path / "a.png", noise(6, 5, 3)
    images.save_png(path, old)

    def full_disk(self: Image.Image, target: Path, kind: str) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(UserError, match=r"the picture .*a\.png cannot be written .*No space left"):
        images.save_png(path, noise(6, 5, 3, seed=1))
    np.testing.assert_array_equal(decode(path.read_bytes(), 3, "a.png"), old)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_save_png_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the picture .*missing/a\.png cannot be written"):
        images.save_png(tmp_path / "missing" / "a.png", noise(6, 5, 3))
