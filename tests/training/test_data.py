"""Training on whole images and float arrays instead of 8-bit crops, and with files that cannot be read."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data.dataset import SPLITS
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import generator as inference
from cyclegan_jax.training import loop as training
from tests.conftest import tiny_config


def folder_with(root: Path, images: dict[str, Any]) -> Path:
    """Write three copies of an image or array into the folder of each split."""
    for split, pixels in images.items():
        (root / split).mkdir(parents=True)
        for index in range(3):
            if pixels.dtype == np.float32:
                np.save(root / split / f"{index}.npy", pixels)
            else:
                Image.fromarray(pixels).save(root / split / f"{index}.png")
    return root


def config_for(folder: Path, *, steps: int = 2, **data: Any) -> TrainConfig:
    base = tiny_config()
    return tiny_config(
        data=dataclasses.replace(base.data, dir=str(folder), **data), steps=steps, log_every=1, ema_decay=0.5
    )


def test_whole_images_and_float_arrays(tmp_path: Path, log_lines: list[str]) -> None:
    scan = np.random.default_rng(0).uniform(-1000, 3000, (24, 41)).astype(np.float32)
    tall = np.random.default_rng(1).integers(0, 256, (33, 28, 3), dtype=np.uint8)
    folder = folder_with(tmp_path / "data", {"trainA": scan, "trainB": tall})
    config = config_for(folder, preprocess="none", range_A=(-1024.0, 3071.0), channels_A=1)
    state = training.train(config, tmp_path / "run")
    assert state.pool_A is not None and state.pool_B is not None
    # The pool of A holds images that were generated from B, and have the size of B's images.
    assert state.pool_A.images.shape[1:] == (32, 28, 1)
    assert state.pool_B.images.shape[1:] == (24, 40, 3)
    assert any(line.startswith("step 2/2") for line in log_lines)
    training.train(dataclasses.replace(config, steps=3), tmp_path / "run")
    assert f"continuing {tmp_path / 'run'} from step 2 (epoch 0.6), with steps 2 -> 3" in log_lines
    generator = inference.load_generator(tmp_path / "run", "BtoA", 2)
    assert generator.config == config
    assert generator.translate_uint8(tall[None, :32]).shape == (1, 32, 28, 1)


def test_rectangles_of_bands_are_trained_on_drawn_and_scored(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).uniform(0, 0.5, (30, 50, 5)).astype(np.float32)
    photo = np.random.default_rng(1).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    domains = {"A": bands, "B": photo}
    folder = folder_with(tmp_path / "data", {split: domains[split[-1]] for split in SPLITS})
    ranges = ((0.0, 1.0),) * 4 + ((-1.0, 0.5),)
    config = config_for(folder, image_size="24x40", load_size=None, channels_A=5, range_A=ranges, bands_A=(5, 1, 2))
    state = training.train(dataclasses.replace(config, eval_every=2), tmp_path / "run")
    assert state.pool_A is not None and state.pool_A.images.shape[1:] == (24, 40, 5)
    with Image.open(tmp_path / "run/samples/step_0000002_epoch_1.png") as grid:
        assert grid.width == 6 * (40 * 6 + 4) - 4  # six columns, enlarged sixfold to at least 128 pixels of height
        first = np.asarray(grid)[-144::6, : 40 * 6 : 6]  # the input in the last row
    whole = resize(bands[..., :1] * 2 - 1, 24, 40, nearest=False)[..., 0]
    np.testing.assert_allclose(first[..., 1], np.clip(whole + 1, 0, 2) * 127.5, atol=1)
    assert len(list((tmp_path / "run/evaluation").rglob("translations_A.png"))) == 1

    (tmp_path / "more").mkdir()
    pages = [Image.fromarray(page) for page in np.moveaxis(bands, 2, 0)]
    pages[0].save(tmp_path / "more/scene.tif", save_all=True, append_images=pages[1:])
    np.save(tmp_path / "more/scene2.npy", bands)
    common = ["translate", "--run", str(tmp_path / "run")]
    assert cli.main([*common, "--input", str(tmp_path / "more"), "--output", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scene.png", "scene2.png"]
    back = ["--direction", "BtoA", "--gallery", "--output", str(tmp_path / "back")]
    assert cli.main([*common, "--input", str(tmp_path / "out"), *back]) == 0
    made = np.load(tmp_path / "back/scene.npy")
    assert (made.shape, made.dtype) == ((30, 50, 5), np.float32)
    assert made[..., :4].min() >= 0 and made[..., 4].min() >= -1 and made[..., 4].max() <= 0.5
    assert cli.main([*common, "--input", str(tmp_path / "out"), *back, "--skip_existing"]) == 0
    assert cli.main([*common, "--input", str(tmp_path / "out"), *back, "--overwrite", "--format=png"]) == 2


def test_other_images_of_the_same_number_are_noticed(tmp_path: Path, log_lines: list[str]) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    folder = folder_with(tmp_path / "data", {"trainA": photo, "trainB": photo})
    config = config_for(folder)
    training.train(config, tmp_path / "run")
    Image.fromarray(photo[:29]).save(folder / "trainB" / "1.png")
    longer = dataclasses.replace(config, steps=3)
    said = r"as many images of B as the run was trained on, but others: the size of a file differs: .* --allow_changes"
    with pytest.raises(UserError, match=said):
        training.train(longer, tmp_path / "run")
    assert int(training.train(longer, tmp_path / "run", allow_changes=True).step) == 3
    assert any(line.endswith("the size of a file differs: continuing with these") for line in log_lines)


def test_an_image_size_too_small_for_the_networks(tmp_path: Path) -> None:
    small = np.zeros((9, 9, 3), np.uint8)
    folder = folder_with(tmp_path / "data", {"trainA": small, "trainB": small})
    with pytest.raises(UserError, match=r"training images of domain A are 8x8 pixels, but NLayerDiscriminator needs"):
        training.train(config_for(folder, preprocess="none"), tmp_path / "run")


def test_skipped_images_are_counted_at_the_end(tmp_path: Path, log_lines: list[str]) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    folder = folder_with(tmp_path / "data", {"trainA": photo, "trainB": photo})
    (folder / "trainA" / "2.png").unlink()
    (folder / "trainA" / "broken.jpg").write_text("no image")
    training.train(config_for(folder, on_error="skip", steps=4), tmp_path / "run")
    assert "1 training image could not be read and was skipped" in log_lines
    assert sum("broken.jpg" in line for line in log_lines) == 1
    with pytest.raises(UserError, match=r"broken\.jpg cannot be read: it is not an image"):
        training.train(config_for(folder, steps=4), tmp_path / "other")


def test_many_skipped_images_are_named_in_a_file(tmp_path: Path, log_lines: list[str]) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    folder = folder_with(tmp_path / "data", {"trainA": photo, "trainB": photo})
    broken = [folder / "trainA" / f"broken{index}.jpg" for index in range(11)]
    for path in broken:
        path.write_text("no image")
    (folder / "trainB/other.heic").write_text("not read")
    training.train(config_for(folder, on_error="skip", steps=28), tmp_path / "run")
    assert f"{tmp_path / 'run/skipped.txt'} names all files that were not read" in log_lines
    assert "11 training images could not be read and were skipped" in log_lines
    lines = (tmp_path / "run/skipped.txt").read_text().splitlines()
    assert len(lines) == 12
    assert all(sum(str(path) in line for line in lines) == 1 for path in broken)
    assert lines[-1] == f"{folder}/trainB/other.heic: .heic is not read"
