"""One set of instance-norm statistics for a clip: exact, and without an effect on frames that are all equal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import any_size
from cyclegan_jax.inference.clip_statistics import frames_at_once, sampled
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.kernels.instance_norm import EPS, pooled
from cyclegan_jax.networks.frame import WholeArray
from tests.helpers import generators
from tests.inference.test_any_size import drawn, make

UNET = GeneratorConfig(kind="unet", depth=3, width=2)
RESNET = GeneratorConfig(blocks=0, width=2)


class AsOneImage(WholeArray):
    """The plain definition: a norm over all pixels of all frames."""

    def __init__(self) -> None:
        self.seen: list[tuple[jax.Array, jax.Array]] = []

    def instance_norm(self, x: jax.Array, kernels: Kernels) -> jax.Array:
        mean, var = x.mean((0, 1, 2), keepdims=True), x.var((0, 1, 2), keepdims=True)
        self.seen.append((mean, var))
        return (x - mean) / jnp.sqrt(var + EPS)


def clip(number: int, height: int, width: int) -> list[np.ndarray]:
    """One noisy picture whose contrast and brightness grow."""
    noise = np.random.default_rng(0).uniform(-1, 1, (height, width, 3))
    return [noise * (0.2 + 0.1 * index) + 0.05 * index for index in range(number)]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("config", [RESNET, UNET], ids=["resnet", "unet"])
def test_the_statistics_are_those_of_all_frames_as_one_image(config):
    translate, _ = make(config)
    frames = clip(5, 32, 48)
    frame = AsOneImage()
    expected = np.asarray(nnx.merge(*drawn(config))(np.stack(frames), frame=frame))
    found = translate.statistics(frames)
    assert len(found) == len(frame.seen) >= 3
    for (mean, var), (expected_mean, expected_var) in zip(found, frame.seen, strict=True):
        np.testing.assert_allclose(mean, expected_mean, atol=1e-12)
        np.testing.assert_allclose(var, expected_var, rtol=1e-10)
    outputs = translate(frames, batch_size=2, statistics=found)
    np.testing.assert_allclose(outputs, expected, atol=1e-12)
    own = translate(frames, batch_size=2)
    assert np.abs(np.stack(own) - expected).max() > 0.01


@pytest.mark.usefixtures("x64")
def test_equal_frames_are_translated_as_without():
    translate, _ = make(RESNET)
    for height, width in ((32, 32), (21, 30)):  # an array that is filled, and a corner of one
        frames = clip(1, height, width) * 3
        steady = translate(frames, statistics=translate.statistics(frames))
        np.testing.assert_allclose(steady, translate(frames), atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_large_frames_in_tiles_use_the_same_statistics(monkeypatch):
    translate, _ = make(RESNET)
    frames = clip(2, 40, 72)
    statistics = translate.statistics(frames)
    whole = translate(frames, statistics=statistics)
    monkeypatch.setattr(any_size, "OVERVIEW", 64)
    tiled = translate(frames, tile=64, statistics=statistics)
    np.testing.assert_allclose(tiled, whole, atol=1e-12)


@pytest.mark.usefixtures("x64")
def test_what_stays_in_the_input_stays_in_the_output():
    """A bright square appears: beyond the generator's reach its output does not change at all."""
    translate, _ = make(RESNET)
    (before,) = clip(1, 32, 96)
    after = before.copy()
    after[:, 72:] = 1
    far = (slice(None), slice(0, 32))
    first, second = translate([before, after], statistics=translate.statistics([before, after]))
    np.testing.assert_allclose(first[far], second[far], atol=1e-12)
    first, second = translate([before, after])
    assert np.abs(first[far] - second[far]).max() > 0.01


def test_moments_of_parts_make_those_of_the_whole():
    parts = np.random.default_rng(0).normal(size=(4, 6, 5, 2)) * np.arange(1, 5)[:, None, None, None]
    mean, var = pooled(*(jnp.asarray(moment((1, 2), keepdims=True)) for moment in (parts.mean, parts.var)))
    np.testing.assert_allclose(mean, parts.mean((0, 1, 2), keepdims=True), atol=1e-6)
    np.testing.assert_allclose(var, parts.var((0, 1, 2), keepdims=True), rtol=1e-5)


def test_frames_are_sampled_evenly_from_a_clip_of_any_length():
    assert sampled(iter(range(3)), 4) == [0, 1, 2]
    assert sampled(iter(range(8)), 4) == [1, 3, 5, 7]
    assert sampled(iter(range(2)), 1) == [1]
    for number in range(1, 200):
        for most in (1, 2, 16):
            picked = sampled(iter(range(number)), most)
            assert min(number, max(1, most // 2)) <= len(picked) <= most
            assert len(set(np.diff(picked))) <= 1


def test_few_large_frames_are_used_and_many_small_ones():
    assert frames_at_once((256, 256)) == 16
    assert frames_at_once((720, 1280)) == 4
    assert frames_at_once((1080, 1920)) == 2
    assert frames_at_once((2160, 3840)) == 1


def test_frames_of_two_sizes_are_refused():
    generator = generators.ready()
    frames = [np.zeros((16, 16, 3), np.uint8), np.zeros((16, 24, 3), np.uint8)]
    with pytest.raises(UserError, match="the frames of a clip have one size, but these have 16x16 and 24x16: scale"):
        generator.clip_statistics(frames)
