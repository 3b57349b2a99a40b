"""Masks: the input stays where they are black, and the translation shows where they are white."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import masks
from tests.helpers import generators

RGB = DataConfig(image_size=24, load_size=26)
SMALL = {"blocks": 0}


def photo(seed: int = 0, size: tuple[int, int] = (16, 24)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def left_half(size: tuple[int, int] = (16, 24)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[:, : size[1] // 2] = 255
    return mask


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    generators.ready(SMALL, data=RGB).save_pretrained(folder)
    return folder


def test_a_mask_mixes_input_and_output():
    output, source = np.full((1, 3, 2), 0.5), np.full((1, 3, 2), -0.5)
    mixed = masks.blend(output, source, np.array([[0, 0.25, 1]]))
    np.testing.assert_array_equal(mixed[..., 0], [[-0.5, -0.25, 0.5]])


def test_masked_images_of_eight_bits_keep_the_inputs_pixels():
    generator = generators.ready(SMALL, data=RGB)
    image, mask = photo(), left_half()
    plain = np.asarray(generator.translate(image))
    masked = np.asarray(generator.translate(image, mask=mask))
    np.testing.assert_array_equal(masked[:, :12], plain[:, :12])
    np.testing.assert_array_equal(masked[:, 12:], image[:, 12:])
    assert (plain[:, 12:] != image[:, 12:]).mean() > 0.9
    half = np.asarray(generator.translate(image, mask=np.full((16, 24), 0.5)))
    np.testing.assert_allclose(half, (plain.astype(float) + image) / 2, atol=1)
    # A list takes one mask for each image.
    both = generator.translate([image, image], mask=[mask, np.zeros((16, 24))])
    np.testing.assert_array_equal(both[0], masked)
    np.testing.assert_array_equal(both[1], image)


def test_masked_images_of_sixteen_bits_keep_the_inputs_values():
    data = DataConfig(image_size=24, load_size=26, range_A=(0, 65535), range_B=(0, 65535))
    generator = generators.ready(SMALL, data=data)
    deep = np.random.default_rng(0).integers(0, 65536, (16, 24, 3), dtype=np.uint16)
    masked = np.asarray(generator.translate(deep, mask=left_half()))
    assert masked.dtype == np.uint16
    np.testing.assert_array_equal(masked[:, 12:], deep[:, 12:])
    np.testing.assert_array_equal(masked[:, :12], np.asarray(generator.translate(deep))[:, :12])


def test_what_a_mask_cannot_do_is_refused():
    generator = generators.ready(SMALL, data=RGB)
    with pytest.raises(UserError, match=r"the mask has the shape \(8, 8\), but its image is 24x16 pixels"):
        generator.translate(photo(), mask=np.zeros((8, 8)))
    with pytest.raises(UserError, match="the mask holds float64 values that are no shares: give floats from 0"):
        generator.translate(photo(), mask=np.full((16, 24), 255.0))
    with pytest.raises(UserError, match="there are 1 masks for 2 images"):
        generator.translate([photo(), photo()], mask=[left_half()])
    gray = generators.ready(SMALL)
    with pytest.raises(
        UserError, match="this model makes images of 1 channels from images of 3 channels: leave the mask out"
    ):
        gray.translate(photo(), mask=left_half())


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        (DataConfig(labels="B"), "label maps from images of 3 channels"),
        (DataConfig(channels_A=1), "images of 3 channels from images of 1 channels"),
        (
            DataConfig(range_A=(0.0, 10.0), range_B=(0.0, 255.0)),
            "images of 3 channels with values from 0 to 255 from images of 3 channels with values from 0 to 10",
        ),
        (DataConfig(channels_A=4, channels_B=4, range_B=((0.0, 1.0),) * 4), "4 bands with values from 0 to 1 from"),
    ],
)
def test_pixels_of_other_kinds_are_not_mixed(config, kinds):
    with pytest.raises(UserError, match=f"this model makes {kinds}"):
        masks.check_domains(config, "A", "B")
    masks.check_domains(config, "A", "A")


def test_an_array_of_booleans_is_a_mask(tmp_path):
    np.save(tmp_path / "mask.npy", left_half() > 0)
    found = masks.read_for(tmp_path / "photo.png", (16, 24), tmp_path / "mask.npy")
    np.testing.assert_array_equal(found, left_half() / 255)


def test_mask_files_of_any_kind_are_read(tmp_path):
    mask = left_half()
    Image.fromarray(mask).save(tmp_path / "gray.png")
    Image.fromarray(mask).convert("1").save(tmp_path / "black_and_white.png")
    Image.fromarray(np.dstack([mask] * 3)).save(tmp_path / "colour.png")
    Image.fromarray(mask.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    white = np.full_like(mask, 255)
    Image.fromarray(np.dstack([white, white, white, mask])).save(tmp_path / "transparent.png")
    np.save(tmp_path / "floats.npy", mask / 255)
    for file in sorted(tmp_path.iterdir()):
        read = masks.read_for(tmp_path / "photo.png", (16, 24), file)
        np.testing.assert_allclose(read, mask / 255, atol=1e-12, err_msg=file.name)
        assert read.max() <= 1
    assert masks.read_for(tmp_path / "photo.png", (8, 12), tmp_path / "gray.png", max_size=12).shape == (8, 12)


def test_translate_takes_a_folder_of_masks(model, tmp_path, capsys):
    photos, shapes, out = tmp_path / "photos", tmp_path / "masks", tmp_path / "out"
    for folder in (photos / "deeper", shapes / "deeper"):
        folder.mkdir(parents=True)
    for index, name in enumerate(("a", "deeper/b", "c")):
        Image.fromarray(photo(index)).save(photos / f"{name}.png")
    Image.fromarray(left_half()).save(shapes / "a.png")
    Image.fromarray(left_half()).save(shapes / "deeper" / "b.bmp")
    command = ["translate", "--run", str(model), "--input", str(photos), "--output", str(out), "--mask", str(shapes)]
    assert cli.main(command) == 2
    assert f"--mask: 1 image has no mask in {shapes}, the first is c: a mask has the" in capsys.readouterr().err
    assert not out.exists()
    Image.fromarray(left_half((8, 8))).save(shapes / "c.png")
    assert cli.main(command) == 1
    said = capsys.readouterr().out
    assert f"skipped: the mask {shapes}/c.png is 8x8 pixels, but {photos}/c.png is 24x16: make the mask of" in said
    for index, name in enumerate(("a", "deeper/b")):
        with Image.open(out / f"{name}.png") as made:
            np.testing.assert_array_equal(np.asarray(made)[:, 12:], photo(index)[:, 12:])
    assert not (out / "c.png").exists()
    # One file is the mask of every image.
    command[-1] = str(shapes / "a.png")
    assert cli.main([*command, "--overwrite"]) == 0
    with Image.open(out / "c.png") as made:
        np.testing.assert_array_equal(np.asarray(made)[:, 12:], photo(2)[:, 12:])


def test_masks_that_are_not_there_or_double_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"--mask: there is nothing at .*/none: give a mask file, or a folder of masks"):
        masks.find(tmp_path / "none", [tmp_path / "a.png"], tmp_path)
    for name in ("a.png", "a.bmp"):
        Image.fromarray(left_half()).save(tmp_path / name)
    with pytest.raises(UserError, match=r"a.bmp and .*a.png are masks of one name: delete one of them"):
        masks.find(tmp_path, [tmp_path / "a.png"], tmp_path)
