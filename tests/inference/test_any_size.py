"""Images of any size: each is translated as if alone, and tiles as the whole image."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cyclegan_jax.config import GeneratorConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import any_size
from cyclegan_jax.inference.any_size import AnySize, bucket, margin
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.generator import GeneratorNetwork
from tests.helpers.kernels import PLAIN

CONFIG = GeneratorConfig(blocks=1, width=4)


def drawn(
    config: GeneratorConfig = CONFIG,
    dtype: Literal["float32", "float64"] = "float64",
    kernels: Kernels | None = None,
) -> tuple[nnx.GraphDef[GeneratorNetwork], Params]:
    """A generator with random parameters; zero biases would hide errors at the borders."""
    whole = TrainConfig(generator=config, dtype=dtype)
    shapes = nnx.eval_shape(lambda: cyclegan.make_generator(whole, "AtoB", jax.random.key(0), kernels))
    rng = np.random.default_rng(0)

    def draw(path: Any, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        values = rng.normal(size=leaf.shape) * 0.1
        return jnp.asarray(1 + np.abs(values) if path[-1].key in ("scale", "var") else values, leaf.dtype)

    return nnx.graphdef(shapes), jax.tree.map_with_path(draw, nnx.to_pure_dict(nnx.state(shapes, nnx.Param)))


def make(
    config: GeneratorConfig = CONFIG,
    dtype: Literal["float32", "float64"] = "float64",
    kernels: Kernels | None = None,
) -> tuple[AnySize, Callable[[np.ndarray], np.ndarray]]:
    """A random generator as `AnySize` and as a plain function."""
    graphdef, params = drawn(config, dtype, kernels)
    plain = jax.jit(lambda image: nnx.merge(graphdef, params)(image[None])[0])
    return AnySize(graphdef, params, config, "highest"), lambda image: np.asarray(plain(jnp.asarray(image)))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).uniform(-1, 1, (height, width, 3))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_images_in_one_batch_are_translated_as_if_alone(upsample):
    translate, network = make(GeneratorConfig(blocks=1, width=4, upsample=upsample))
    sizes = [(32, 32), (24, 28), (8, 8), (32, 32)]
    outputs = translate([noise(*size) for size in sizes], batch_size=4)
    for size, output in zip(sizes, outputs, strict=True):
        alone = network(noise(*size))
        np.testing.assert_allclose(output, alone, atol=1e-12)
    # The error that this comparison detects: borders at the array's edge instead of the image's.
    canvas = np.zeros((32, 32, 3))
    canvas[:24, :28] = noise(24, 28)
    assert np.abs(network(canvas)[:24, :28] - outputs[1]).max() > 0.01


@pytest.mark.usefixtures("x64")
def test_other_sizes_are_padded_by_mirroring_and_cropped():
    translate, network = make()
    image = noise(21, 30)
    (output,) = translate([image])
    padded = np.pad(image, ((0, 3), (0, 2), (0, 0)), mode="reflect")
    np.testing.assert_allclose(output, network(padded)[:21, :30], atol=1e-12)
    # An image too small to be mirrored: its edge is repeated.
    (dot,) = translate([noise(1, 3)])
    edge = np.pad(noise(1, 3), ((0, 7), (0, 5), (0, 0)), mode="edge")
    np.testing.assert_allclose(dot, network(edge)[:1, :3], atol=1e-12)


def test_a_few_programs_serve_all_sizes():
    translate, _ = make(dtype="float32")
    for side in (33, 40, 50, 60):
        for number in (1, 3, 4):
            translate([noise(side, side).astype(np.float32)] * number, batch_size=4)
    programs: Any = translate._parts
    assert programs._cache_size() == 2  # one image, or four
    assert sorted({bucket(side) for side in range(1, 257)}) == [32, 64, 96, 128, 160, 192, 224, 256]
    assert all(side <= bucket(side) < side * 1.125 + 32 for side in range(1, 5000))
    assert sorted({bucket(side, coarse=True) for side in range(1, 513)}) == [64, 128, 192, 256, 384, 512]
    assert all(side <= bucket(side, coarse=True) < side * 1.5 + 64 for side in range(1, 5000))


@pytest.mark.usefixtures("x64")
def test_many_sizes_take_few_programs_and_little_memory(monkeypatch):
    """Later sizes share arrays of the coarse grid, and old programs are dropped; the results stay the same."""
    monkeypatch.setattr(any_size, "_FINE_SIZES", 2)
    monkeypatch.setattr(any_size, "_PROGRAMS", 2)
    translate, network = make()
    programs: Any = translate._parts
    sizes = [(20, 28), (20, 60), (72, 72), (100, 100), (72, 100), (100, 72)]
    assert len({(bucket(height), bucket(width)) for height, width in sizes}) == 6
    compiled = []
    for size in sizes:
        before = programs._cache_size()
        (output,) = translate([noise(*size)])
        if size in ((20, 28), (72, 100)):
            np.testing.assert_allclose(output, network(noise(*size)), atol=1e-12)
        # After two programs the memory is cleared for the third, which serves all others.
        compiled.append((before, programs._cache_size()))
    assert compiled == [(0, 1), (1, 2), (2, 1), (1, 1), (1, 1), (1, 1)]


def test_the_default_batch_on_cpu_depends_on_the_size() -> None:
    translate, _ = make(dtype="float32")
    for side, number in ((32, 8), (96, 4)):
        translate([noise(side, side).astype(np.float32)] * number)
    assert {shape for _, shape in translate._programs} == {(8, 32, 32, 3), (3, 96, 96, 3), (1, 96, 96, 3)}
    assert any_size.images_at_once((256, 256), None) == 1
    assert any_size.images_at_once((256, 256), 8) == 8
    assert any_size.images_at_once((1024, 1024), 8) == 2


@pytest.mark.usefixtures("x64")
def test_tiles_equal_the_whole_image(monkeypatch):
    """Where the overview has the image's own size, so do the statistics, and tiles are exact."""
    monkeypatch.setattr(any_size, "OVERVIEW", 72)
    translate, network = make()
    image = noise(76, 104)
    scaled = translate._in_tiles(image, 64)
    monkeypatch.setattr(any_size, "OVERVIEW", 104)
    whole = network(image)
    tiled = translate._in_tiles(image, 64)
    np.testing.assert_allclose(tiled, whole, atol=1e-12)
    # Statistics of the scaled image are close to the image's; those of one tile alone are not.
    own = network(image[:64, :64])
    assert np.abs(scaled - whole).mean() < np.abs(whole).mean()
    assert np.abs(own[:40, :40] - whole[:40, :40]).max() > 1e-3
    # A smaller margin than the network's reach leaves seams.
    monkeypatch.setattr(translate, "_margin", margin(CONFIG) - 8)
    assert np.abs(translate._in_tiles(image, 64) - whole).max() > 1e-6


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(blocks=0, width=2, norm="instance_affine"),
        GeneratorConfig(blocks=0, width=2, norm="batch"),
        GeneratorConfig(kind="unet", depth=2, width=2),
        GeneratorConfig(blocks=0, width=2, antialias=True, upsample="antialiased"),
    ],
    ids=lambda config: f"{config.kind}-{config.norm}-{config.upsample}",
)
def test_other_generators_in_batches_and_in_tiles(config, monkeypatch):
    monkeypatch.setattr(any_size, "OVERVIEW", 72)
    translate, network = make(config, kernels=PLAIN)
    small, large = noise(24, 16), noise(40, 72)
    np.testing.assert_allclose(translate([noise(32, 32), small], batch_size=2)[1], network(small), atol=1e-12)
    np.testing.assert_allclose(translate._in_tiles(large, 64), network(large), atol=1e-12)


def test_arrays_and_tiles_of_a_unet_fit_its_depth():
    assert [bucket(side, multiple=256) for side in (1, 256, 300, 2100)] == [256, 256, 512, 2304]
    assert [bucket(side, coarse=True, multiple=256) for side in (1, 300, 700)] == [256, 512, 768]
    translate, _ = make(GeneratorConfig(kind="unet", depth=8, width=1), "float32")
    (output,) = translate([noise(20, 30).astype(np.float32)])
    assert output.shape == (20, 30, 3)
    with pytest.raises(UserError, match=r"tile is 1024, but this generator sees 512 .* 256, and at least 1280"):
        translate([], tile=1024)
    assert translate([]) == []


def test_a_tile_must_be_larger_than_its_margins():
    translate, _ = make(dtype="float32")
    with pytest.raises(UserError, match=r"tile is 50, but this generator sees 24 pixels far: it must be a multiple of"):
        translate([noise(8, 8)], tile=50)


@pytest.mark.usefixtures("x64")
def test_batches_of_large_images_are_smaller(monkeypatch):
    translate, network = make()
    monkeypatch.setattr(any_size, "_PIXELS_AT_ONCE", 2 * 32 * 32)
    shapes = []
    compiled = translate._whole

    def watched(params, arrays):
        shapes.append(arrays.shape)
        return compiled(params, arrays)

    monkeypatch.setattr(translate, "_whole", watched)
    images = [noise(32, 32), *(noise(64, 64) + shift for shift in (0, 0.1)), noise(32, 32)]
    outputs = translate(images, batch_size=8)
    assert sorted(shapes) == [(1, 64, 64, 3), (1, 64, 64, 3), (2, 32, 32, 3)]
    for image, output in zip(images, outputs, strict=True):
        np.testing.assert_allclose(output, network(image), atol=1e-12)
