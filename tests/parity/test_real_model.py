"""A trained CycleGAN that others published, through the import and the exports, and against PyTorch."""

import numpy as np
import pytest
import torch
from skimage import data

from benchmarks.imported_model import fetch_weights
from cyclegan_jax import load_generator
from cyclegan_jax.cli import main as cli
from cyclegan_jax.exchange import onnx_file, stablehlo
from cyclegan_jax.exchange.agreement import Program
from cyclegan_jax.inference.generator import Generator
from tests.parity import reference_networks as reference
from tests.parity.exchange import nchw, nhwc
from tests.parity.official_names import load_official

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[reference.Generator, Generator]:
    """The network in PyTorch, and imported."""
    folder = tmp_path_factory.mktemp("published")
    weights = fetch_weights(folder)
    network = reference.Generator(3, 3, 64, 9, "transposed", "instance_affine")
    load_official(network, torch.load(weights, map_location="cpu", weights_only=True), "block")
    assert cli.main(["import", str(weights), "--direction=AtoB", "--workdir", str(folder / "run")]) == 0
    return network, load_generator(folder / "run")


def photos() -> list[np.ndarray]:
    return [photo[None, :256, :400].astype(np.float32) / 127.5 - 1 for photo in (data.coffee(), data.chelsea())]


def test_a_published_model_equals_pytorch(published: tuple[reference.Generator, Generator]) -> None:
    network, generator = published
    for images in photos():
        with torch.no_grad():
            expected = nhwc(network(nchw(images)))
        assert np.abs(expected - images).mean() > 0.05  # it changes the picture
        np.testing.assert_allclose(generator(images), expected, rtol=0, atol=1e-5)


def test_its_exports_equal_pytorch(published: tuple[reference.Generator, Generator]) -> None:
    network, generator = published
    programs: dict[str, Program] = {
        "this package": generator,
        "ONNX Runtime": onnx_file.load(onnx_file.encode(generator.pretrained)),
        "StableHLO": stablehlo.load(stablehlo.encode(generator.pretrained)),
    }
    for images in photos():
        with torch.no_grad():
            expected = nhwc(network(nchw(images)))
        for name, program in programs.items():
            difference = np.abs(np.asarray(program(images)) - expected).max()
            print(f"a photo, {name}: {difference:.1e}")
            assert difference <= 2e-4, name
    # Without variance, instance norms enlarge rounding errors; PyTorch's own are near 1e-3.
    flat = np.ones((1, 252, 252, 3), np.float32)
    with torch.no_grad():
        single = nhwc(network(nchw(flat)))
        exact = nhwc(network.double()(nchw(flat.astype(np.float64))))
    print(f"one colour, PyTorch: {np.abs(single - exact).max():.1e}")
    for name, program in programs.items():
        difference = np.abs(np.asarray(program(flat)) - exact).max()
        print(f"one colour, {name}: {difference:.1e}")
        assert difference <= 0.01, name
