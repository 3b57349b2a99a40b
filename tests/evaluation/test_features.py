"""Features by name: a function of one's own, and Inception, whose weights here are random."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import features
from tests.evaluation.torch_fidelity_library import import_torch_fidelity


def mean_colours(images):
    return images.mean(axis=(1, 2))


def one_number(images):
    return images.mean()


def words(images):
    return np.array([["a"]] * len(images))


def test_a_function_sees_images_of_any_size_and_kind_in_order():
    rng = np.random.default_rng(0)
    shapes = [(8, 8, 3), (8, 8, 1), (8, 8, 4), *[(9, 7, 3)] * 20, (8, 8, 3)]
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    images[2][..., 3] = 0  # all transparent: white
    found = features.load_features(f"{__name__}:mean_colours")(images)
    assert found.shape == (24, 3)
    for i in (0, 3, 22, 23):
        np.testing.assert_allclose(found[i], images[i].mean(axis=(0, 1)))
    np.testing.assert_allclose(found[1], [images[1].mean()] * 3)
    np.testing.assert_allclose(found[2], [255] * 3)


@pytest.mark.parametrize("name", ["one_number", "words"])
def test_an_answer_of_another_form_is_refused(name):
    with pytest.raises(UserError, match=rf"{name} answered 2 images with .* must be numbers \[N, D\]"):
        features.load_features(f"{__name__}:{name}")([np.zeros((4, 4, 3), np.uint8)] * 2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Inception's layers with weights under which its features differ."""
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
    """Several wait for each other without end where others need the processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_inception_is_torch_fidelitys_after_an_antialiased_resize(weights, one_thread):
    library = import_torch_fidelity("feature_extractor_inceptionv3")
    photo = np.random.default_rng(0).integers(0, 256, (400, 320, 3), dtype=np.uint8)
    found = features.load_features("inception", weights)([photo])
    resized = np.asarray(Image.fromarray(photo).resize((299, 299), Image.Resampling.BICUBIC))
    network = library.FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(weights))
    expected = network(torch.from_numpy(resized[None].transpose(0, 3, 1, 2).copy()))[0].numpy()
    assert found.shape == (1, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert found.std() > 0.01


def test_weights_that_are_missing_or_none(weights, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no file .*nowhere\.pth with the weights of Inception: download https://"):
        features.load_features("inception", tmp_path / "nowhere.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UserError, match=r"text\.pth does not hold the weights of Inception"):
        features.load_features("inception", tmp_path / "text.pth")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth does not hold the weights of Inception \(RuntimeError\)"):
        features.load_features("inception", tmp_path / "other.pth")


def test_a_download_that_fails_says_where_the_file_goes(tmp_path, monkeypatch):
    library = import_torch_fidelity("feature_extractor_inceptionv3")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # Nobody listens at this port.
    monkeypatch.setattr(library, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights.pth")
    place = tmp_path / "torch" / "hub" / "checkpoints" / features.WEIGHTS_FILE
    with pytest.raises(UserError, match=rf"could not be downloaded \(.*refused.*put the file at {place} or name it by"):
        features.load_features("inception")
    assert not features.inception_is_at_hand()
    assert not list(place.parent.iterdir())
    place.write_bytes(b"")
    assert features.inception_is_at_hand()
    # The place is torch's own.
    assert str(place.parents[1]) == torch.hub.get_dir()


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(UserError, match=r"pip install 'cyclegan-jax\[fid\]'"):
        features.load_features("inception")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not features.inception_is_at_hand()
