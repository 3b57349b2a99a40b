"""Windows of TIFF files: the same pixels as in the whole image, however it is stored, and one sentence where not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from cyclegan_jax.data import decode, decode_16bit
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import tiff_windows
from cyclegan_jax.inference.tiff_windows import is_huge, opened

RGB = np.random.default_rng(0).integers(0, 256, (70, 101, 3), dtype=np.uint8)
RGBA = np.dstack([RGB, RGB[..., 0]])
PLACES = ((0, 70, 0, 101), (3, 41, 30, 77), (64, 70, 96, 101), (17, 18, 0, 101))

LAYOUTS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "tiles": (RGB, {"tile": (32, 16), "compression": "zlib"}),
    "strips": (RGB, {"rowsperstrip": 8, "compression": "lzw"}),
    "rows as they are": (RGB, {}),
    "tiles as they are, BigTIFF": (RGB, {"tile": (16, 32), "bigtiff": True}),
    "differences of 16 bits, big-endian": (
        RGB.astype(np.uint16) * 257,
        {"tile": (32, 32), "compression": "zlib", "predictor": 2, "byteorder": ">"},
    ),
    "big-endian rows": (RGB.astype(np.uint16) * 257, {"byteorder": ">"}),
    "floats": (RGB.astype(np.float32), {"tile": (32, 32), "compression": "zlib"}),
    "planes": (RGB.transpose(2, 0, 1).copy(), {"planarconfig": "separate", "tile": (32, 32), "compression": "zlib"}),
    "planes of rows": (RGB.transpose(2, 0, 1).copy(), {"planarconfig": "separate"}),
    "gray": (RGB[..., 0].copy(), {"tile": (32, 32)}),
    "gray and alpha": (
        RGBA[..., 2:].copy(),
        {"photometric": "minisblack", "extrasamples": ["unassalpha"], "rowsperstrip": 9},
    ),
    "alpha": (RGBA, {"extrasamples": ["unassalpha"], "tile": (32, 32), "compression": "zlib"}),
    "no alpha": (RGBA, {"extrasamples": ["unspecified"], "tile": (32, 32)}),
    "slide": (RGB, {"tile": (32, 32), "compression": "jpeg", "photometric": "rgb"}),
    "slide in YCbCr": (RGB, {"tile": (32, 32), "compression": "jpeg", "photometric": "ycbcr"}),
    "white is 0": (RGB[..., 0].copy(), {"photometric": "miniswhite", "rowsperstrip": 7}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_are_parts_of_the_image(layout: str, tmp_path: Path) -> None:
    values, options = LAYOUTS[layout]
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, values, **({"photometric": "rgb"} if values.ndim == 3 else {}) | options)
    whole = tifffile.imread(file)
    whole = whole.transpose(1, 2, 0) if "planes" in layout else whole
    whole = {"no alpha": whole[..., :3], "white is 0": 255 - whole}.get(layout, whole)
    whole = whole[..., None] if whole.ndim == 2 else whole
    with opened(file) as image:
        assert (image.height, image.width) == (70, 101)
        for top, bottom, left, right in PLACES:
            window = image.read(slice(top, bottom), slice(left, right))
            np.testing.assert_array_equal(window, whole[top:bottom, left:right])
            assert window.dtype == values.dtype
        assert image.is_complete()


def test_each_strip_is_decoded_once_for_a_row_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    original = tiff_windows.TiffWindows._decode

    def watched(self: tiff_windows.TiffWindows, index: int) -> Any:
        decoded.append(index)
        return original(self, index)

    monkeypatch.setattr(tiff_windows.TiffWindows, "_decode", watched)
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, RGB, photometric="rgb", rowsperstrip=10, compression="zlib")
    with opened(file) as image:
        for left in range(0, 100, 20):
            image.read(slice(15, 45), slice(left, left + 20))
    assert decoded == [1, 2, 3, 4]


def test_missing_tiles_of_a_sparse_file_are_black(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    tiles = iter([RGB[:32, :32], None, None, RGB[32:64, 32:64]])
    tifffile.imwrite(
        file, tiles, shape=(64, 64, 3), dtype="uint8", tile=(32, 32), photometric="rgb", compression="zlib"
    )
    with opened(file) as image:
        window = image.read(slice(16, 64), slice(16, 64))
        assert not image.is_complete()
    assert not window[:16, 16:].any()
    np.testing.assert_array_equal(window[16:, 16:], RGB[32:64, 32:64])


def refused(file: Path) -> str:
    with pytest.raises(UserError) as caught, opened(file) as image:
        image.read(slice(0, image.height), slice(0, image.width))
    return str(caught.value)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    for options in ({"rowsperstrip": 8, "compression": "zlib"}, {}, {"tile": (32, 32), "compression": "jpeg"}):
        tifffile.imwrite(file, RGB, photometric="rgb", **options)
        content = file.read_bytes()
        assert file.stat().st_size > 4000
        damages = (content[:2000], content[:9], content[:400] + bytes(1200) + content[1600:], b"II*\0" + bytes(60))
        for damaged in damages if options else damages[:2]:
            file.write_bytes(damaged)
            said = refused(file)
            assert said.startswith(f"the image {file} cannot be read ("), said
            assert said.endswith("): replace it or leave it out"), said
            assert "\n" not in said


def test_what_is_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.tif"
    Image.fromarray(RGB).quantize(8).save(file)
    assert "its colours are of the kind PALETTE: convert it to gray or RGB" in refused(file)
    Image.fromarray(RGB).convert("CMYK").save(file)
    assert "its colours are of the kind SEPARATED" in refused(file)
    tifffile.imwrite(file, RGB[..., 0] > 99, photometric="minisblack")
    assert "has 1 bits per channel of a kind that is not read" in refused(file)
    tifffile.imwrite(file, RGB, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    assert "is stored turned or mirrored (its tag Orientation is 6)" in refused(file)
    tifffile.imwrite(file, RGBA, photometric="rgb", extrasamples=["assocalpha"])
    assert "has colours multiplied by its alpha" in refused(file)
    monkeypatch.setattr(tiff_windows, "_SEGMENT_BYTES", 9000)
    tifffile.imwrite(file, RGB, photometric="rgb", compression="zlib", rowsperstrip=70)
    assert "is stored in parts of 0 MiB, too large to read it by windows: store it in tiles" in refused(file)


def test_without_tifffile_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    assert refused(tmp_path / "a.tif").endswith("needs the package tifffile: pip install 'cyclegan-jax[tiff]'")


def test_a_file_is_huge_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_windows, "HUGE_PIXELS", 70 * 101 - 1)
    for options in ({}, {"bigtiff": True}, {"byteorder": ">"}):
        tifffile.imwrite(tmp_path / "a.SVS", RGB, photometric="rgb", **options)
        assert is_huge(tmp_path / "a.SVS")
    tifffile.imwrite(tmp_path / "less.tif", RGB[:69], photometric="rgb")
    Image.fromarray(RGB).save(tmp_path / "a.png")
    (tmp_path / "empty.tif").write_bytes(b"")
    (tmp_path / "text.tif").write_bytes(b"II*\0" + b"no directory at all")
    (tmp_path / "a.png").rename(tmp_path / "picture.tif")
    for name in ("less.tif", "empty.tif", "text.tif", "picture.tif", "none.tif"):
        assert not is_huge(tmp_path / name), name
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb")
    (tmp_path / "a.tif").rename(tmp_path / "a.jpg")
    assert not is_huge(tmp_path / "a.jpg")


def test_other_formats_too_large_name_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.fromarray(RGB).save(tmp_path / "a.png")
    encoded = (tmp_path / "a.png").read_bytes()
    for read in (
        lambda: decode.open_picture(encoded, 3, "a.png"),
        lambda: decode_16bit.stored_values(encoded, "a.png"),
    ):
        with pytest.raises(
            UserError, match=r"^the image a.png .* too large .*`cyclegan-jax translate` takes TIFF files"
        ):
            read()
