"""Photos that a config calls label maps are refused; label maps are accepted, JPEG files too."""

import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.eval_images import sample_images
from cyclegan_jax.data.label_check import MOST_FAR, MOST_FAR_OF_LABELLED, far_share
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.palette import CITYSCAPES, FACADES, Palette, color_array
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
    pictures: dict[str, list[np.ndarray]] = {"A": [], "B": []}
    for domain in "AB":
        for path in (official / f"train{domain}").iterdir():
            with Image.open(path) as image:
                file = io.BytesIO()
                image.resize((50, 50), Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
            with Image.open(file) as image:
                pictures[domain].append(np.asarray(image))
    labels, photos = far_share(pictures["B"]), far_share(pictures["A"])
    noise = far_share([np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)])
    assert labels is not None and photos is not None and noise is not None
    assert labels.fits and labels.of_all < MOST_FAR - 0.1 and labels.of_labelled < MOST_FAR_OF_LABELLED - 0.2
    assert not photos.fits and photos.of_all > MOST_FAR + 0.1
    assert noise.of_all > 0.95


def write(root: Path, domains: dict[str, np.ndarray], kind: str = "png") -> DataConfig:
    """A data set of one image for each domain."""
    for domain, pixels in domains.items():
        (root / f"train{domain}").mkdir(parents=True)
        Image.fromarray(pixels).save(root / f"train{domain}" / f"0.{kind}", quality=75)
    return DataConfig(dir=str(root), image_size=64, labels="A")


def blocks(palette: Palette, seed: int = 0) -> np.ndarray:
    """A label map of blocks of 16 x 16 pixels."""
    colors = color_array(palette=palette)
    ids = np.random.default_rng(seed).integers(0, len(colors), (8, 8))
    return colors[ids].repeat(16, 0).repeat(16, 1)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_built_in_palette_that_fits_is_named(tmp_path: Path, kind: str) -> None:
    facades, streets = blocks(FACADES), blocks(CITYSCAPES)
    photo = np.random.default_rng(0).integers(0, 256, facades.shape, dtype=np.uint8)
    labels_in_A = write(tmp_path / "A", {"A": facades, "B": photo}, kind)
    open_dataset(dataclasses.replace(labels_in_A, palette="facades"))
    said = (
        r"data\.labels is A, but \d+% of the pixels of its images are far from every colour of the Cityscapes palette, "
    )
    with pytest.raises(
        UserError, match=said + r"and \d+% from those of the facades palette: give --data\.palette=facades$"
    ):
        open_dataset(labels_in_A)
    labels_in_B = write(tmp_path / "B", {"A": photo, "B": facades}, kind)
    ending = "of those of B from those of the facades palette: give --data.labels=B --data.palette=facades"
    with pytest.raises(UserError, match=f"{re.escape(ending)}$"):
        open_dataset(labels_in_B)
    other_way = dataclasses.replace(write(tmp_path / "C", {"A": streets, "B": photo}, kind), palette="facades")
    with pytest.raises(UserError, match=r"the facades palette, and .*: give --data\.palette=cityscapes$"):
        open_dataset(other_way)


def test_a_white_mask_is_no_label_map_of_streets(tmp_path: Path) -> None:
    """Most of it is black, as unlabelled pixels of Cityscapes are; the rest would become pink sidewalks."""
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[20:40, 20:40] = 255
    config = write(tmp_path, {"A": mask, "B": np.full((64, 64, 3), 90, np.uint8)})
    said = r"but 100% of the labelled pixels of its images .*, or --data\.palette=FILE with their own colours$"
    with pytest.raises(UserError, match=said):
        open_dataset(config)
    open_dataset(dataclasses.replace(config, palette="ground 0 0 0; thing 255 255 255"))
    with pytest.raises(
        UserError, match=r"far from every colour of data\.palette: give --data\.labels=None if none .* its colours$"
    ):
        open_dataset(dataclasses.replace(config, palette="ground 100 0 0; thing 0 100 0; unlabelled 0 0 100"))
