"""Huge TIFF images: the same result as for the whole image, with their georeference, in memory that does not grow."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
import tifffile
from flax import nnx
from PIL import Image

from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.exit_status import INTERRUPTED, SKIPPED
from cyclegan_jax.config import DataConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import any_size, apply, huge_images, tiff_tiles, tiff_windows
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.inference.huge_images import WindowByWindow
from cyclegan_jax.inference.window_statistics import StatisticsOverWindows
from cyclegan_jax.inference.windows import sample
from cyclegan_jax.networks import cyclegan
from tests.conftest import tiny_config
from tests.helpers.kernels import PLAIN

ROOT = Path(__file__).parents[2]
GEOREFERENCE = [
    (33550, "d", 3, (0.5, 0.5, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 32611), True),
    (34737, "s", 0, "UTM zone 11N|", True),
]


def generator(**changes) -> Generator:
    config = tiny_config(**changes)
    network = cyclegan.make_generator(config, "AtoB", jax.random.key(0), None)
    return Generator(config, "AtoB", 0, nnx.graphdef(network), nnx.to_pure_dict(nnx.state(network, nnx.Param)))


def blobs(height: int, width: int, channels: int = 3) -> np.ndarray:
    """An image whose parts differ, as uint8."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 226, (height // 16 + 1, width // 16 + 1, channels)).repeat(16, 0).repeat(16, 1)
    return (coarse[:height, :width] + rng.integers(-20, 20, (height, width, channels))).astype(np.uint8)


def silent(what: str) -> Callable[[int, int], None]:
    return lambda done, total: None


@pytest.fixture
def small_windows(monkeypatch) -> None:
    """Windows of a size that small images have many of."""
    monkeypatch.setattr(huge_images, "_WINDOW", 96)
    monkeypatch.setattr(huge_images, "_LEAST_INSIDE", 16)


@pytest.mark.usefixtures("small_windows")
def test_the_result_is_that_of_the_whole_image(tmp_path):
    made = generator(data=DataConfig(image_size=24, load_size=26, range_A=(0, 300), range_B=(-1, 1)))
    values = blobs(115, 166).astype(np.float32)
    source, target = tmp_path / "in.tif", tmp_path / "new" / "out.tif"
    tifffile.imwrite(source, values, tile=(32, 32), photometric="rgb", resolution=(4, 5), extratags=GEOREFERENCE)
    bars: dict[str, tuple[int, int]] = {}

    def bar(what):
        return lambda done, total: bars.update({what: (done, total)})

    translator = WindowByWindow(made, tile=96)
    translator.translate(source, target, bar=bar)
    whole = np.asarray(made.translate(values))
    with tifffile.TiffFile(target) as tiff:
        page = tiff.pages.first
        np.testing.assert_allclose(page.asarray(), whole, atol=2e-5)
        assert tiff.is_bigtiff
        assert (page.tilewidth, page.tilelength, str(page.dtype)) == (48, 48, "float32")
        kept = {code: page.tags[code].value for code, *_ in GEOREFERENCE}
        assert kept == {code: value for code, _, _, value, _ in GEOREFERENCE}
        assert [page.tags[name].value[0] / page.tags[name].value[1] for name in ("XResolution", "YResolution")] == [
            4,
            5,
        ]
    assert bars == {"windows for the statistics": (84, 84), "tiles": (12, 12)}
    # Few windows give other statistics, which are close; those of one corner are not.
    translator.translate(source, target, bar=silent, samples=6)
    error = np.abs(tifffile.imread(target) - whole).mean()
    assert 1e-4 < error < 0.2 * whole.std()


@pytest.mark.usefixtures("small_windows")
def test_transparency_and_8_bits_are_those_of_ordinary_images(tmp_path):
    made = generator()
    values = blobs(101, 150, 4)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unassalpha"], rowsperstrip=8)
    WindowByWindow(made, tile=96).translate(tmp_path / "a.tif", tmp_path / "b.tif", bar=silent)
    found, whole = tifffile.imread(tmp_path / "b.tif"), made.translate(values)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[..., 3], values[..., 3])
    assert np.abs(found.astype(int) - whole).max() <= 1
    with Image.open(tmp_path / "b.tif") as picture:  # as another program reads it
        assert picture.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(picture), found)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(blocks=0, width=2),
        GeneratorConfig(kind="unet", depth=2, width=2),
        GeneratorConfig(blocks=0, width=2, norm="batch"),
    ],
    ids=lambda config: f"{config.kind}-{config.norm}",
)
def test_statistics_over_all_windows_are_those_of_the_image(config):
    whole = TrainConfig(generator=config, dtype="float64")
    network = cyclegan.make_generator(whole, "AtoB", jax.random.key(0), PLAIN)
    definition, params = nnx.graphdef(network), nnx.to_pure_dict(nnx.state(network, nnx.Param))
    image = np.random.default_rng(0).uniform(-1, 1, (48, 60, 3))
    assert any_size.margin(config) <= 16
    translate = partial(apply.translate, definition, precision="highest")
    size = np.array([48], np.int32), np.array([60], np.int32)
    exact = jax.jit(partial(any_size.record_statistics, translate))(
        params, np.pad(image, [(0, 12), (0, 0), (0, 0)])[None], *size
    )
    windows = sample(48, 60, 48, 16, multiple=4, number=99)
    assert len(windows) == 12
    measure = StatisticsOverWindows(definition, params, "highest", 48)
    found = measure(
        windows, lambda number: image[windows[number].rows, windows[number].columns], progress=lambda done, total: None
    )
    assert len(found) == len(exact)
    for (mean, variance), (exact_mean, exact_variance) in zip(found, exact, strict=True):
        np.testing.assert_allclose(mean, exact_mean, atol=1e-10)
        np.testing.assert_allclose(variance, exact_variance, rtol=1e-10)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    generator().save_pretrained(folder)
    return folder


@pytest.fixture
def scans(tmp_path, monkeypatch) -> Path:
    """A folder with an ordinary image and three huge ones, of which two cannot be read."""
    monkeypatch.setattr(tiff_windows, "HUGE_PIXELS", 10_000)
    folder = tmp_path / "scans"
    (folder / "deeper").mkdir(parents=True)
    Image.fromarray(blobs(24, 24)).save(folder / "small.tif")
    tifffile.imwrite(folder / "deeper" / "slide.svs", blobs(120, 100), photometric="rgb", tile=(32, 32))
    return folder


@pytest.mark.usefixtures("small_windows")
def test_a_folder_with_huge_images(model, scans, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["translate", "--run", str(model), "--input", str(scans), "--output", str(out)]
    assert cli.main([*command, "--tile=96", "--gallery"]) == 0
    assert capsys.readouterr().out.startswith("2 translated, 0 skipped, ")
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == [
        "deeper/slide.tif",
        "gallery.html",
        "small.png",
    ]
    assert tifffile.imread(out / "deeper" / "slide.tif").shape == (120, 100, 3)
    before = (out / "deeper" / "slide.tif").read_bytes()
    assert cli.main([*command, "--skip_existing"]) == 0
    assert "2 of 2 images are translated already" in capsys.readouterr().out
    (out / "deeper" / "slide.tif").write_bytes(before[:-100])
    assert cli.main([*command, "--skip_existing", "--tile=96"]) == 0
    assert "1 translation is damaged and made again" in capsys.readouterr().out
    assert tiff_tiles.is_whole(out / "deeper" / "slide.tif")
    one = [*command[:4], str(scans / "deeper" / "slide.svs"), "--output", str(tmp_path / "other")]
    for flag in ("--gallery", f"--mask={scans / 'small.tif'}", "--statistics=clip"):
        assert cli.main([*one, flag]) == 2
        assert f"{flag.partition('=')[0]} is not for huge TIFF files such as" in capsys.readouterr().err


@pytest.mark.usefixtures("small_windows")
def test_huge_images_that_cannot_be_read_are_skipped(model, scans, tmp_path, capsys):
    content = (scans / "deeper" / "slide.svs").read_bytes()
    (scans / "cut.tif").write_bytes(content[: len(content) // 2])
    tifffile.imwrite(scans / "deep.tif", blobs(120, 100).astype(np.uint16), photometric="rgb")
    command = ["translate", "--run", str(model), "--input", str(scans), "--output", str(tmp_path / "out"), "--tile=96"]
    assert cli.main(command) == SKIPPED
    cut, deep, last = capsys.readouterr().out.splitlines()
    assert cut.startswith(f"skipped: the image {scans}/cut.tif cannot be read (the file ends before its part")
    assert deep.startswith(
        f"skipped: the image {scans}/deep.tif holds uint16 values, but this model was trained on 8-bit"
    )
    assert last.startswith("2 translated, 2 skipped, ")
    assert cli.main([*command, "--overwrite", "--max_size=50"]) == SKIPPED
    assert (
        f"{scans}/deeper/slide.svs is read by windows and not scaled: leave --max_size out" in capsys.readouterr().out
    )
    assert not [path for path in (tmp_path / "out").rglob("*") if path.suffix == ".partial"]


@pytest.mark.usefixtures("small_windows")
def test_one_huge_image_to_a_file(model, scans, tmp_path, capsys):
    slide, target = scans / "deeper" / "slide.svs", tmp_path / "results" / "mine.tif"
    command = ["translate", "--run", str(model), "--input", str(slide), "--output", str(target), "--tile=96"]
    assert cli.main(command) == 0
    assert tifffile.imread(target).shape == (120, 100, 3)
    assert cli.main(command) == 2
    assert f"{target} is there already" in capsys.readouterr().err
    assert cli.main([*command, "--overwrite", "--tile=50"]) == 2
    assert "tile is 50, but this generator sees 24 pixels far: it must be at least 64" in capsys.readouterr().err
    itself = [*command[:-2], str(slide.with_suffix(".tif")), "--tile=96"]
    slide.rename(slide.with_suffix(".tif"))
    assert cli.main([*itself[:4], str(slide.with_suffix(".tif")), *itself[5:], "--overwrite"]) == 2
    assert "would be replaced by a result" in capsys.readouterr().err


@pytest.mark.usefixtures("small_windows")
def test_ctrl_c_leaves_nothing_half_written(model, scans, tmp_path, monkeypatch, capsys):
    def interrupted(what):
        def draw(done, total):
            if what == "tiles" and done == 2:
                assert [path.suffix for path in target.parent.iterdir()] == [".partial"]
                raise KeyboardInterrupt

        return draw

    target = tmp_path / "results" / "mine.tif"
    monkeypatch.setattr("cyclegan_jax.console.timed_bar", interrupted)
    command = ["translate", "--run", str(model), "--input", str(scans / "deeper"), "--output", str(target.parent)]
    assert cli.main([*command, "--tile=96"]) == INTERRUPTED
    assert capsys.readouterr().err == "stopped\n"
    assert list(target.parent.iterdir()) == []


def test_a_result_that_cannot_be_written(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", blobs(24, 24), photometric="rgb")
    (tmp_path / "file").write_text("no folder")
    with tiff_windows.opened(tmp_path / "a.tif") as source, pytest.raises(UserError, match=r"give another --output$"):
        tiff_tiles.write(tmp_path / "file" / "b.tif", iter([blobs(24, 24)]), source, 32, 3, np.uint8)


MEMORY = """
import itertools, resource, sys
from pathlib import Path
import numpy as np, tifffile
from tests.inference.test_huge_images import generator, silent
from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.inference import huge_images, tiff_tiles, tiff_windows

tiff_windows._CACHE_BYTES = tiff_tiles._COMPRESSED_AT_ONCE = 2**21
huge_images._WINDOW, huge_images._LEAST_INSIDE = 96, 16
translator = huge_images.WindowByWindow(generator(generator=GeneratorConfig(blocks=0, width=2)), tile=512)
source, target = Path(sys.argv[1], "in.tif"), Path(sys.argv[1], "out.tif")
tile = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
for height, width in ((600, 700), (2048, 3072)):
    tiles = itertools.repeat(tile)
    tifffile.imwrite(source, tiles, shape=(height, width, 3), dtype="uint8", tile=(256, 256), photometric="rgb")
    translator.translate(source, target, bar=silent, samples=4)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in other units")
def test_memory_does_not_grow_with_the_image(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    small, large = map(int, done.stdout.split())
    assert (tmp_path / "out.tif").stat().st_size > 2**22
    # The pixels of the large image are 18 MiB as they are stored, and 72 MiB as the network takes and makes them.
    assert large - small < 36, (small, large)
