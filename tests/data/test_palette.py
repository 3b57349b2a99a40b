"""The built-in palettes, and images moved onto them."""

import numpy as np
import pytest

from cyclegan_jax.data import palette
from cyclegan_jax.data.decode import decode
from tests.helpers.examples import example


def test_the_classes_are_the_19_of_cityscapes_in_train_id_order() -> None:
    ids = {"road": 0, "sidewalk": 1, "building": 2, "pole": 5, "vegetation": 8, "sky": 10, "person": 11, "car": 13}
    assert len(palette.NAMES) == len(palette.COLORS) == 19
    assert {name: palette.NAMES.index(name) for name in ids} == ids
    assert palette.NAMES[-1] == "bicycle"


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("road", (128, 64, 128)),
        ("sidewalk", (244, 35, 232)),
        ("building", (70, 70, 70)),
        ("pole", (153, 153, 153)),
        ("vegetation", (107, 142, 35)),
        ("sky", (70, 130, 180)),
        ("person", (220, 20, 60)),
        ("car", (0, 0, 142)),
        ("bicycle", (119, 11, 32)),
    ],
)
def test_a_class_has_its_color(name: str, color: tuple[int, int, int]) -> None:
    assert palette.COLORS[palette.NAMES.index(name)] == color


def test_no_two_classes_share_a_name_or_a_color() -> None:
    assert len(set(palette.NAMES)) == 19
    assert len({*palette.COLORS, palette.UNLABELLED}) == 20


def test_color_array_returns_a_new_array_each_time() -> None:
    colors = palette.color_array()
    assert colors.dtype == np.uint8
    assert [tuple(row) for row in colors.tolist()] == list(palette.COLORS)
    colors[:] = 0
    assert palette.color_array().any()


def test_color_array_puts_the_unlabelled_black_last() -> None:
    assert palette.color_array(unlabelled=True).shape == (20, 3)
    assert tuple(palette.color_array(unlabelled=True)[-1]) == palette.UNLABELLED == (0, 0, 0)


def test_snap_to_palette_takes_the_nearest_colour() -> None:
    colors = palette.color_array(unlabelled=True)
    image = np.random.default_rng(0).integers(0, 256, (12, 15, 3), dtype=np.uint8)
    snapped = palette.snap_to_palette(image, colors)
    assert snapped.shape == image.shape
    assert snapped.dtype == np.uint8
    for pixel, got in zip(image.reshape(-1, 3), snapped.reshape(-1, 3), strict=True):
        distances = ((colors.astype(int) - pixel) ** 2).sum(axis=1)
        assert tuple(got) == tuple(colors[distances.argmin()])
    np.testing.assert_array_equal(palette.snap_to_palette(colors[None], colors)[0], colors)


def test_snap_to_palette_restores_labels_from_a_jpeg() -> None:
    colors = palette.color_array(unlabelled=True)
    labels = np.kron(colors[np.arange(20).reshape(4, 5)], np.ones((8, 8, 1), np.uint8))
    stored = decode(example(labels, "x", "JPEG", quality=95, subsampling=0).encoded, 3, "x")
    assert np.any(stored != labels)
    np.testing.assert_array_equal(palette.snap_to_palette(stored, colors), labels)


def test_facades_has_the_12_classes_of_cmp_in_the_colours_of_jet() -> None:
    """MATLAB's jet(12), with which the label pictures are stored: in each channel a ramp of thirds up, and one down."""
    ramps = [[min(i - up, down - i) / 3 for up, down in ((5, 14), (2, 11), (-1, 8))] for i in range(1, 13)]
    jet = np.rint(255 * np.clip(ramps, 0, 1)).astype(int)
    assert [list(color) for color in palette.FACADES.colors] == jet.tolist()
    assert len(palette.FACADES.names) == 12
    expected = {"background": (0, 0, 170), "facade": (0, 0, 255), "window": (0, 85, 255), "shop": (170, 0, 0)}
    colors = dict(zip(palette.FACADES.names, palette.FACADES.colors, strict=True))
    assert {name: colors[name] for name in expected} == expected
    assert len({*palette.FACADES.colors, palette.FACADES.unlabelled}) == 13


def test_a_palette_without_unlabelled_pixels_has_no_further_row() -> None:
    mask = palette.Palette(("ground", "thing"), ((0, 0, 0), (255, 255, 255)), None)
    assert palette.color_array(unlabelled=True, palette=mask).tolist() == [[0, 0, 0], [255, 255, 255]]
    assert palette.color_array(unlabelled=True, palette=palette.FACADES).shape == (13, 3)
