"""Photos that a config calls label maps are refused; label maps are accepted, JPEG files too."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.eval_images import sample_images
from cyclegan_jax.data.label_check import MOST_FAR, far_share
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.errors import UserError


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout of the official Cityscapes script: photos in A, label maps in B, JPEG files."""
    root = tmp_path_factory.mktemp("official")
    streets = DataConfig(source="streets", image_size=64)
    drawn = sample_images(open_dataset(streets), streets, 4)
    for domain, images in (("A", drawn["B"]), ("B", drawn["A"])):
        for split in ("train", "test"):
            (root / f"{split}{domain}").mkdir()
            for index, image in enumerate(images):
                Image.fromarray(image).save(root / f"{split}{domain}" / f"{index}.jpg", quality=75)
    return root


def test_photos_are_no_labels(official: Path) -> None:
    config = DataConfig(dir=str(official), image_size=64, labels="A")
    said = r"data\.labels is A, but 9\d% of the pixels .*, and [234]\d% of those of B: give --data\.labels=B"
    with pytest.raises(UserError, match=said):
        open_dataset(config)
    open_dataset(dataclasses.replace(config, labels="B"))
    open_dataset(dataclasses.replace(config, labels=None))
    two_photos = dataclasses.replace(config, train_B=str(official / "trainA"))
    with pytest.raises(UserError, match=r"palette: give --data\.labels=None if none"):
        open_dataset(two_photos)


def test_the_command_refuses_before_it_makes_a_run(official: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    assert cli.main(["train", "--config=cityscapes", f"--data.dir={official}", f"--workdir={run}"]) == 2
    assert "give --data.labels=B" in capsys.readouterr().err
    assert not run.exists()


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_label_maps_may_be_jpeg_and_resized(official: Path, quality: int) -> None:
    """The control: photos of the same scenes, and noise, are well above."""
    shares: dict[str, list[float]] = {"A": [], "B": []}
    for domain in "AB":
        for path in (official / f"train{domain}").iterdir():
            with Image.open(path) as image:
                file = io.BytesIO()
                image.resize((50, 50), Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
            with Image.open(file) as image:
                shares[domain].append(far_share(np.asarray(image)))
    assert np.mean(shares["B"]) < MOST_FAR - 0.1
    assert np.mean(shares["A"]) > MOST_FAR + 0.1
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert far_share(noise) > 0.95
