"""`cyclegan-jax translate` on a folder of unusual images, and its error messages."""

import contextlib
import html
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax import load_generator, optimizer, state
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.exit_status import SKIPPED
from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import file_plan, image_files, translate_files
from tests.conftest import tiny_config


def save_run(workdir: Path, **changes) -> Path:
    config = tiny_config(**changes)
    with CheckpointWriter(workdir, config) as opened:
        for step in (1, 2):
            blank = state.create(config, optimizer.adam(config.optimizer))
            opened.save(blank._replace(step=np.int32(step) + 0 * blank.step), {"pairs": step})
    return workdir


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture.copy()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return save_run(tmp_path_factory.mktemp("run") / "work")


@pytest.fixture
def odd(tmp_path) -> Path:
    """A folder of unusual images, a broken one, and a text file."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "odd"
    (folder / "deeper").mkdir(parents=True)
    rgb = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(folder / "photo.jpg")
    Image.fromarray(rgb[:, :, 0]).save(folder / "gray.png")
    Image.fromarray(rgb[:1, :1]).save(folder / "dot.png")
    Image.fromarray(rgb[:21]).save(folder / "deeper" / "scan.tif")
    Image.fromarray(np.dstack([rgb, rgb[:, :, 0]])).save(folder / "alpha.webp", lossless=True)
    (folder / "broken.png").write_bytes((folder / "gray.png").read_bytes()[:60])
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_a_folder_of_unusual_images(run, odd, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["translate", "--run", str(run), "--input", str(odd), "--output", str(out)]) == SKIPPED == 1
    said = capsys.readouterr()
    first, last = said.out.splitlines()
    assert first.startswith(f"skipped: the image {odd}/broken.png cannot be read")
    assert last.startswith("5 translated, 1 skipped, ")
    made = {str(path.relative_to(out)): opened(path) for path in out.rglob("*.*")}
    assert {name: (picture.size, picture.mode) for name, picture in made.items()} == {
        "photo.jpg": ((24, 24), "RGB"),
        "gray.png": ((24, 24), "RGB"),
        "dot.png": ((1, 1), "RGB"),
        "deeper/scan.png": ((24, 21), "RGB"),
        "alpha.webp": ((24, 24), "RGBA"),
    }
    transparency = np.asarray(opened(odd / "alpha.webp"))[..., 3]
    np.testing.assert_allclose(np.asarray(made["alpha.webp"])[..., 3], transparency, atol=8)
    expected = load_generator(run).translate(opened(odd / "gray.png"))
    np.testing.assert_array_equal(np.asarray(made["gray.png"]), np.asarray(expected))

    # Without a flag existing results are an error, before anything is translated.
    assert cli.main(["translate", "--run", str(run), "--input", str(odd), "--output", str(out)]) == 2
    assert "is there already: add --skip_existing to continue, or --overwrite, or" in capsys.readouterr().err
    again = ["translate", "--run", str(run), "--input", f"{odd}/g*.png", "--output", str(out)]
    assert cli.main([*again, "--overwrite", "--max_size=12", "--format=jpg", "--gallery"]) == 0
    page = (out / "gallery.html").read_text()
    assert page.count('data-kind="reconstruction"') == 1
    assert ">gray.png<" in page
    assert opened(out / "gray.jpg").size == (12, 12)


def test_skip_existing_translates_only_the_rest(run, odd, tmp_path, capsys):
    (odd / "broken.png").unlink()
    out = tmp_path / "out"
    out.mkdir()
    made_before = (odd / "dot.png").read_bytes()
    (out / "gray.png").write_bytes(made_before)
    (out / "photo.jpg").write_bytes(made_before)
    command = ["translate", "--run", str(run), "--input", str(odd), "--output", str(out), "--skip_existing"]
    assert cli.main(command) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == "2 of 5 images are translated already"
    assert last.startswith("3 translated, 0 skipped, ")
    assert (out / "gray.png").read_bytes() == made_before
    assert opened(out / "deeper" / "scan.png").size == (24, 21)
    assert cli.main(command) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("0 translated, 0 skipped, ")
    assert cli.main([*command, "--overwrite"]) == 2
    assert "--overwrite and --skip_existing exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_translation_is_made_again(run, odd, tmp_path, capsys, kept):
    """A power failure used to leave empty files, which counted as finished."""
    (odd / "broken.png").unlink()
    command = [
        "translate",
        "--run",
        str(run),
        "--input",
        str(odd),
        "--output",
        str(tmp_path / "out"),
        "--skip_existing",
    ]
    assert cli.main(command) == 0
    whole = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    assert len(whole) == 5
    capsys.readouterr()
    for path, content in whole.items():
        path.write_bytes(content[: int(kept * len(content))])
    assert cli.main(command) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "5 translations are damaged and made again"
    assert {path: path.read_bytes() for path in whole} == whole


def test_transparency_is_laid_on_white_in_jpeg(tmp_path):
    clear = np.zeros((4, 4, 4), np.uint8)
    with image_files.writing_together() as write:
        write(tmp_path / "clear.jpg", clear)
    assert np.asarray(opened(tmp_path / "clear.jpg")).min() == 255


def test_sixteen_bits_in_and_out(tmp_path, capsys):
    data = DataConfig(image_size=24, load_size=26, channels_A=1, range_A=(0, 65535), range_B=(0, 65535))
    run = save_run(tmp_path / "work", data=data)
    deep = np.random.default_rng(0).integers(0, 65536, (24, 24), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    arguments = [
        "translate",
        "--run",
        str(run),
        "--input",
        str(tmp_path / "deep.png"),
        "--output",
        str(tmp_path / "out"),
    ]
    assert cli.main(arguments) == 0, capsys.readouterr()
    made = image_files.read(tmp_path / "out" / "deep.png", data, "B")
    assert np.asarray(made).dtype == np.uint16
    assert np.asarray(made).shape == (24, 24, 3)
    assert (np.asarray(made) % 257 != 0).any()  # more than 8 bits scaled up


@pytest.mark.parametrize(("kind", "format"), [("uint16", "jpg"), ("float32", "png")])
def test_a_format_that_cannot_hold_the_values_is_an_error(odd, tmp_path, kind, format):
    with pytest.raises(UserError, match=f"--format is {format}, but this model makes {kind} values"):
        file_plan.plan(str(odd), tmp_path, format=format, refuse=True, kind=np.dtype(kind))


def test_float_values_are_written_as_npy(odd, tmp_path):
    chosen = file_plan.plan(str(odd / "gray.png"), tmp_path, format=None, refuse=True, kind=np.dtype("float32")).chosen
    with image_files.writing_together() as write:
        write(chosen[odd / "gray.png"], np.full((2, 2), -3.5, np.float32))
    assert np.load(tmp_path / "gray.npy").tolist() == [[-3.5, -3.5], [-3.5, -3.5]]


def test_two_inputs_with_one_output_are_an_error(odd, tmp_path):
    opened(odd / "gray.png").save(odd / "gray.bmp")
    with pytest.raises(UserError, match=r"gray.bmp and .*gray.png would both become .*gray.png: translate them to"):
        file_plan.plan(str(odd), tmp_path, format=None, refuse=True, kind=np.dtype(np.uint8))


@pytest.mark.parametrize("inputs", ["nothing", "odd/*.gif", "odd/empty"])
def test_nothing_to_translate_is_an_error(odd, tmp_path, inputs):
    (odd / "empty").mkdir()
    with pytest.raises(UserError, match=rf"there is no image at .*{inputs.split('/')[-1].replace('*', '.')}"):
        file_plan.plan(str(tmp_path / inputs), tmp_path, format=None, refuse=True, kind=np.dtype(np.uint8))


def test_an_output_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"cannot be written \(.*\): give another --output"),
        image_files.writing_together() as write,
    ):
        write(tmp_path / "file" / "x.png", np.zeros((4, 4, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_results_inside_the_input_folder_are_not_inputs(odd):
    results = odd / "translated"

    def planned(output):
        return file_plan.plan(str(odd), output, format="png", refuse=False, kind=np.dtype(np.uint8)).chosen

    first = planned(results)
    results.mkdir()
    for target in first.values():
        target.parent.mkdir(exist_ok=True)
        opened(odd / "dot.png").save(target)
    assert planned(results) == first, "results of the first run were taken as inputs"
    with pytest.raises(UserError, match=r"broken.png would be replaced by a result: give an --output"):
        planned(odd)


def test_label_maps_are_scaled_without_new_colours(tmp_path):
    colours = np.array([[0, 0, 142], [220, 20, 60], [128, 64, 128]], np.uint8)
    Image.fromarray(colours[np.random.default_rng(0).integers(0, 3, (40, 30))]).save(tmp_path / "labels.png")

    def colours_of(domain):
        values = image_files.read(tmp_path / "labels.png", DataConfig(labels="A"), domain, max_size=20)
        assert values.shape == (20, 15, 3)
        return {tuple(colour) for colour in values.reshape(-1, 3).tolist()}

    assert colours_of("A") == {tuple(colour) for colour in colours.tolist()}
    assert len(colours_of("B")) > 3  # a photo is smoothed


def test_large_images_are_not_read_all_at_once(run, tmp_path, monkeypatch):
    for name in "abcde":
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(translate_files, "_PIXELS_AT_ONCE", 2 * 16 * 16)
    chosen = file_plan.plan(str(tmp_path), tmp_path / "out", format=None, refuse=True, kind=np.dtype(np.uint8)).chosen
    seen = []
    generator = load_generator(run)
    summary = translate_files.translate_files(
        generator, chosen, batch_size=8, tile=1024, max_size=None, progress=lambda *counts: seen.append(counts)
    )
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert summary.translated == len(list((tmp_path / "out").iterdir())) == 5


def test_colours_below_opaque_alpha_stay_in_their_range(tmp_path):
    """Bicubic overshoot is clipped to the range of the colours, which is smaller than that of alpha."""
    edges = np.kron(np.random.default_rng(0).integers(0, 2, (8, 8)) * 4095, np.ones((6, 6))).astype(np.uint16)
    opaque = np.full_like(edges, 65535)
    np.save(tmp_path / "edges.npy", np.dstack([edges, edges, edges, opaque]))
    small = image_files.read(tmp_path / "edges.npy", DataConfig(range_A=(0, 4095)), "A", max_size=36)
    assert small.shape == (36, 36, 4)
    assert small[..., :3].max() == 4095
    assert (small[..., 3] == 65535).all()


def test_links_are_followed_and_hidden_folders_are_not(odd):
    (odd.parent / "elsewhere" / "deep").mkdir(parents=True)
    opened(odd / "gray.png").save(odd.parent / "elsewhere/deep/far.png")
    (odd / "linked").symlink_to("../elsewhere")
    (odd.parent / "elsewhere/back").symlink_to(odd)
    (odd / ".cache").mkdir()
    opened(odd / "gray.png").save(odd / ".cache/near.png")
    plan = file_plan.plan(str(odd), odd.parent / "out", format=None, refuse=True, kind=np.dtype(np.uint8))
    targets = {str(path.relative_to(odd.parent / "out")) for path in plan.chosen.values()}
    assert "linked/deep/far.png" in targets
    assert len(targets) == 7
    assert plan.left_out[odd / ".cache"] == "hidden folder"


def test_left_out_and_many_skipped_files_are_named(run, tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for index in range(11):
        (folder / f"{index:02}.png").write_text("no image")
    (folder / "a.heic").write_text("not read")
    assert cli.main(["translate", "--run", str(run), "--input", str(folder), "--output", str(out)]) == SKIPPED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"1 file was left out: .heic is not read ({folder}/a.heic)"
    assert lines[-1] == f"all files that were not read are named in {out}/skipped.txt"
    named = (out / "skipped.txt").read_text().splitlines()
    assert [str(folder / f"{index:02}.png") in named[index] for index in range(11)] == [True] * 11
    assert named[11:] == [f"{folder}/a.heic: .heic is not read"]


def test_an_input_that_cannot_be_read_names_the_flag(odd):
    name = "n" * 256
    with pytest.raises(UserError, match=r"--input: .*/n+ cannot be read \(File name too long\)"):
        file_plan.plan(str(odd / "deeper" / name), odd, format=None, refuse=True, kind=np.dtype(np.uint8))


def test_a_name_that_gets_too_long_is_an_error(odd):
    name = "x" * 251 + ".png"
    opened(odd / "gray.png").save(odd / name)

    def planned(format):
        plan = file_plan.plan(str(odd / name), odd / "out", format=format, refuse=True, kind=np.dtype(np.uint8))
        return plan.chosen[odd / name]

    assert planned(None) == odd / "out" / name
    with pytest.raises(UserError, match=r"whose name is longer than the 255 bytes .*: rename it, or leave --fo"):
        planned("webp")


@pytest.mark.parametrize("name", ["x" * 251 + ".png", "\udcff.png", "é\n.png", "a;b\x1b[31m.png"])
def test_odd_names_are_translated_and_shown(run, odd, tmp_path, name):
    folder, out = tmp_path / "named", tmp_path / "out"
    folder.mkdir()
    (folder / name).write_bytes((odd / "gray.png").read_bytes())
    (folder / f"broken{name[-9:]}").write_text("no image")
    command = ["translate", "--run", str(run), "--input", str(folder), "--output", str(out), "--gallery"]
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    with contextlib.redirect_stdout(stream):
        assert cli.main(command) == SKIPPED
    assert (out / name).is_file()
    shown = html.escape(name).encode("utf-8", "backslashreplace").decode()
    assert f'<h2 class="name">{shown}</h2>' in (out / "gallery.html").read_text()
    stream.seek(0)
    assert len(stream.read().split("\n")) == 4


@pytest.mark.slow
def test_two_translations_into_one_folder_both_end_well(run, tmp_path):
    """Among the inputs are a FIFO, and links in a circle."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for index in range(12):
        Image.fromarray(np.full((24, 24, 3), 20 * index, np.uint8)).save(photos / f"{index}.png")
    os.mkfifo(photos / "pipe.png")
    (photos / "first").symlink_to(photos)
    (photos / "second").symlink_to(photos)
    command = [sys.executable, "-m", "cyclegan_jax", "translate", "--run", str(run), "--output", str(out)]
    command += ["--input", f"{photos}/**/*.png", "--overwrite", "--batch_size=1"]
    together = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        ended = [process.communicate(timeout=180) for process in together]
    finally:
        for process in together:
            process.kill()
    for process, (said, errors) in zip(together, ended, strict=True):
        assert process.returncode == SKIPPED, errors
        assert f"skipped: the image {photos}/pipe.png cannot be read (it is a FIFO, not a regular file)" in said
        assert "12 translated, 1 skipped" in said
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{index}.png" for index in range(12))
    generator = load_generator(run)
    for index in range(12):
        expected = generator.translate(opened(photos / f"{index}.png"))
        np.testing.assert_array_equal(np.asarray(opened(out / f"{index}.png")), np.asarray(expected))
