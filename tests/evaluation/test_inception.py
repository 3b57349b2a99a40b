"""Inception, with random weights: its features, and weights that are missing, damaged or cannot be downloaded."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import inception
from cyclegan_jax.evaluation.features import load_features
from tests.evaluation.torch_fidelity_library import import_torch_fidelity


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random weights of Inception, large enough that its features differ between images."""
    library = import_torch_fidelity("feature_extractor_inceptionv3")
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.manual_seed(0)

    class Unloaded(library.FeatureExtractorInceptionV3):  # type: ignore[name-defined,misc]
        def load_state_dict(self, state, **options):
            return None

    nothing = path.with_name("nothing.pth")
    torch.save({}, nothing)
    state = Unloaded("unloaded", ["2048"], feature_extractor_weights_path=str(nothing)).state_dict()
    for name, value in state.items():
        if name.endswith("conv.weight"):
            value.normal_(std=(2 / value[0].numel()) ** 0.5)
    torch.save(state, path)
    return path


@pytest.fixture
def one_thread():
    """Use one thread: several threads block each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_features_equal_torch_fidelity_after_antialiasing(weights, one_thread):
    library = import_torch_fidelity("feature_extractor_inceptionv3")
    photo = np.random.default_rng(0).integers(0, 256, (400, 320, 3), dtype=np.uint8)
    found = load_features("inception", weights)([photo])
    resized = np.asarray(Image.fromarray(photo).resize((299, 299), Image.Resampling.BICUBIC))
    network = library.FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(weights))
    expected = network(torch.from_numpy(resized[None].transpose(0, 3, 1, 2).copy()))[0].numpy()
    assert found.shape == (1, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert found.std() > 0.01


def test_weights_that_are_missing_or_damaged(tmp_path):
    with pytest.raises(UserError, match=r"no file .*nowhere\.pth with the weights of Inception: download https://"):
        load_features("inception", tmp_path / "nowhere.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UserError, match=r"text\.pth does not hold the weights of Inception"):
        load_features("inception", tmp_path / "text.pth")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth does not hold the weights of Inception \(RuntimeError\)"):
        load_features("inception", tmp_path / "other.pth")


def test_a_failed_download_names_the_place_of_the_file(tmp_path, monkeypatch):
    library = import_torch_fidelity("feature_extractor_inceptionv3")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # No server listens at this port.
    monkeypatch.setattr(library, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")
    place = tmp_path / "torch" / "hub" / "checkpoints" / inception.WEIGHTS_FILE
    with pytest.raises(UserError, match=rf"could not be downloaded \(.*refused.*put the file at {place} or name it by"):
        load_features("inception")
    assert not inception.inception_is_available()
    assert not list(place.parent.iterdir())
    place.write_bytes(b"")
    assert inception.inception_is_available()
    # torch itself looks for it in the same folder.
    assert str(place.parents[1]) == torch.hub.get_dir()


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(UserError, match=r"pip install 'cyclegan-jax\[fid\]'"):
        load_features("inception")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not inception.inception_is_available()
