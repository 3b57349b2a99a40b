"""Applying generators: all callers use the same precision and dtypes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.picture_grid import picture_grid
from cyclegan_jax.evaluation.round_trip import Translator
from cyclegan_jax.inference import apply
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.generator import ResNetGenerator
from cyclegan_jax.state import image_dtype
from cyclegan_jax.training.samples import HEADINGS, make_sampler
from tests.conftest import tiny_config

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)


def scaled(dtype: str = "float32") -> jax.Array:
    return images_lib.to_model_range(jnp.asarray(IMAGES), dtype)


@pytest.mark.parametrize("caller", ["sampler", "call", "any size", "round trip"])
def test_every_caller_uses_the_precision_of_the_config(caller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs compute in one precision only, so the test reads the setting while JAX traces the network."""
    config = tiny_config(precision="highest")
    networks = cyclegan.define(config)
    params = cyclegan.initialize(config, jax.random.key(0))["generators"]
    seen: set[str | None] = set()
    original = ResNetGenerator.__call__

    def watched(self: ResNetGenerator, *args: Any, **options: Any) -> jax.Array:
        seen.add(getattr(jax.config, "jax_default_matmul_precision"))  # noqa: B009  # mypy does not know it
        return original(self, *args, **options)

    monkeypatch.setattr(ResNetGenerator, "__call__", watched)
    generator = Generator(config, "AtoB", 0, networks.generators["AtoB"], params["AtoB"])
    if caller == "sampler":
        make_sampler(config, networks, IMAGES, IMAGES)(params)
    elif caller == "call":
        generator(scaled())
    elif caller == "any size":
        generator.translate(IMAGES[0, :9])
    else:
        Translator(config)(params, "A", list(IMAGES))
    assert seen == {"highest"}


def test_bfloat16_networks_return_float32_images() -> None:
    config = tiny_config(dtype="bfloat16")
    params = cyclegan.initialize(config, jax.random.key(0))["generators"]
    assert image_dtype(config) == jnp.float32
    outputs = apply.there_and_back(cyclegan.define(config), params, "AtoB", scaled(), config.precision)
    assert [output.dtype for output in outputs] == [jnp.float32, jnp.float32]


@pytest.mark.usefixtures("x64")
def test_float64_networks_return_float64_images() -> None:
    config = tiny_config(dtype="float64")
    params = cyclegan.initialize(config, jax.random.key(0))["generators"]
    networks = cyclegan.define(config)
    inputs = scaled("float64")
    output, back = apply.there_and_back(networks, params, "BtoA", inputs, config.precision)
    assert (output.dtype, back.dtype) == (jnp.float64, jnp.float64)
    expected = networks.generate(params, "BtoA", inputs)
    np.testing.assert_allclose(output, expected, atol=1e-12)
    np.testing.assert_allclose(back, networks.generate(params, "AtoB", expected), atol=1e-12)


def test_the_sampler_draws_both_ways_there_and_back() -> None:
    config = tiny_config()
    networks = cyclegan.define(config)
    # With their small initial weights the two generators' outputs would hardly differ.
    params = jax.tree.map(lambda leaf: 10 * leaf, cyclegan.initialize(config, jax.random.key(0))["generators"])
    picture = make_sampler(config, networks, IMAGES, IMAGES[::-1])(params)
    columns = []
    for direction, inputs in (("AtoB", scaled()), ("BtoA", scaled()[::-1])):
        columns += [inputs, *apply.there_and_back(networks, params, direction, inputs, config.precision)]  # type: ignore[arg-type]
    expected = picture_grid(HEADINGS, list(zip(*map(images_lib.to_uint8, columns), strict=True)))
    assert picture.shape == expected.shape
    assert np.abs(picture.astype(int) - expected).max() <= 1
