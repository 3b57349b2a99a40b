"""A trained CycleGAN that others published, through the import and against PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from benchmarks.imported_model import fetch_weights
from cyclegan_jax import load_generator
from cyclegan_jax.cli import main as cli
from tests.parity.exchange import nchw, nhwc
from tests.parity.official_names import load_official
from tests.parity.reference_networks import Generator


@pytest.mark.slow
def test_a_published_model_equals_pytorch(tmp_path: Path) -> None:
    weights = fetch_weights(tmp_path)
    network = Generator(3, 3, 64, 9, "transposed", "instance_affine")
    load_official(network, torch.load(weights, map_location="cpu", weights_only=True), "block")
    run = tmp_path / "run"
    assert cli.main(["import", str(weights), "--direction=AtoB", "--workdir", str(run)]) == 0
    generator = load_generator(run)
    for photo in (data.coffee(), data.chelsea()):
        images = photo[None, :256, :400].astype(np.float32) / 127.5 - 1
        with torch.no_grad():
            expected = nhwc(network(nchw(images)))
        assert np.abs(expected - images).mean() > 0.05  # it changes the picture
        np.testing.assert_allclose(generator(images), expected, rtol=0, atol=1e-5)
