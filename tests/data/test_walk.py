"""Finding the images of a folder: links, hidden files, files that are not read, and long or odd names."""

import os
from pathlib import Path

import pytest

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data import skipped
from cyclegan_jax.data.dataset import EXTENSIONS, SLIDE_EXTENSIONS
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.walk import walk


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"found by its name")


def names(root: Path, results: Path | None = None) -> list[str]:
    return [str(path.relative_to(root)) for path in walk(root, results).images]


def test_images_are_sorted_by_the_parts_of_their_path(tmp_path: Path) -> None:
    write(tmp_path, "b.png", "a/2.jpg", "a-b/1.png", "a/1.PNG", "notes.txt", "png")
    assert names(tmp_path) == ["a/1.PNG", "a/2.jpg", "a-b/1.png", "b.png"]


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/deeper/1.png", "set/2.png")
    (tmp_path / "set/linked").symlink_to("../elsewhere")
    (tmp_path / "set/file.png").symlink_to("../elsewhere/deeper/1.png")
    assert names(tmp_path / "set") == ["2.png", "file.png", "linked/deeper/1.png"]


def test_a_link_adds_images_and_renames_none(tmp_path: Path) -> None:
    write(tmp_path, "set/real/1.png", "elsewhere/2.png")
    (tmp_path / "set/a_link").symlink_to("real")
    (tmp_path / "set/b").symlink_to("../elsewhere")
    (tmp_path / "set/c").symlink_to("../elsewhere")
    found = walk(tmp_path / "set")
    assert names(tmp_path / "set") == ["b/2.png", "real/1.png"]
    assert {path.name: reason for path, reason in found.left_out.items()} == {
        "a_link": "a link to a folder that is read already",
        "c": "a link to a folder that is read already",
    }


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write(tmp_path, "set/1.png", "other/2.png")
    (tmp_path / "set/up").symlink_to("..")
    (tmp_path / "other/back").symlink_to("../set")
    assert names(tmp_path / "set") == ["1.png", "up/other/2.png"]


def test_a_link_to_nothing_is_an_image_that_fails_when_read(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to("nowhere")
    assert names(tmp_path) == ["gone.png"]


def test_results_are_no_inputs(tmp_path: Path) -> None:
    write(tmp_path, "1.png", "out/1.png", "deeper/2.png")
    (tmp_path / "linked").symlink_to("out")
    assert names(tmp_path, tmp_path / "out") == ["1.png", "deeper/2.png"]
    assert walk(tmp_path, tmp_path / "out").left_out == {}
    assert names(tmp_path, tmp_path) == ["1.png", "deeper/2.png", "out/1.png"]


def test_what_is_left_out_has_a_reason(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.HEIC", "c.heic", ".d.png", ".cache/e.png", ".notes", "f.psd")
    os.mkfifo(tmp_path / "g.png")
    found = walk(tmp_path)
    assert [path.name for path in found.images] == ["a.png", "g.png"]  # reading a FIFO reports it
    assert {path.name: reason for path, reason in found.left_out.items()} == {
        "b.HEIC": ".heic is not read",
        "c.heic": ".heic is not read",
        ".d.png": "hidden",
        ".cache": "hidden folder",
        "f.psd": ".psd is not read",
    }
    line = skipped.left_out_line(found.left_out)
    assert line is not None and line.startswith("5 files or folders were left out: ")
    assert f".heic is not read ({tmp_path}/b.HEIC, {tmp_path}/c.heic)" in line


def test_slides_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.SVS", "c.ndpi", "d.heic")
    assert names(tmp_path) == ["a.png"]
    assert walk(tmp_path).left_out[tmp_path / "b.SVS"] == ".svs is not read"
    found = walk(tmp_path, also=SLIDE_EXTENSIONS)
    assert [path.name for path in found.images] == ["a.png", "b.SVS", "c.ndpi"]
    assert list(found.left_out) == [tmp_path / "d.heic"]


def test_the_line_names_three_files_per_reason() -> None:
    assert skipped.left_out_line({}) is None
    one = skipped.left_out_line({Path("a.heic"): ".heic is not read"})
    assert one == "1 file was left out: .heic is not read (a.heic)"
    many = skipped.left_out_line({Path(f"{i}.heic"): ".heic is not read" for i in range(4)})
    assert many == "4 files were left out: .heic is not read (0.heic, 1.heic, 2.heic, ...)"


def test_more_than_ten_files_are_named_in_a_file(tmp_path: Path) -> None:
    lines = [f"the image {i} cannot be read" for i in range(10)]
    assert skipped.write(tmp_path / "new", lines) is None
    assert list(tmp_path.iterdir()) == []
    odd = "two\nlines \udcff.png"
    assert skipped.write(tmp_path / "new", [*lines, odd]) == tmp_path / "new/skipped.txt"
    written = (tmp_path / "new/skipped.txt").read_bytes().split(b"\n")
    assert written == [*(line.encode() for line in lines), b"two\\nlines \xff.png", b""]


def test_training_logs_what_it_leaves_out(tmp_path: Path, log_lines: list[str]) -> None:
    write(tmp_path, "trainA/a.png", "trainA/b.heic", "trainB/c.jfif", "trainB/d.gif")
    opened = open_dataset(DataConfig(dir=str(tmp_path)))
    assert (len(opened.train_A), len(opened.train_B)) == (1, 2)
    assert log_lines == [f"1 file was left out: .heic is not read ({tmp_path}/trainA/b.heic)"]
    assert opened.left_out == {tmp_path / "trainA/b.heic": ".heic is not read"}


@pytest.mark.parametrize("ending", [".jfif", ".gif", ".jp2", ".avif"])
def test_endings_that_pillow_reads_count_as_images(ending: str) -> None:
    assert ending in EXTENSIONS


@pytest.mark.parametrize("name", ["é" * 100 + ".png", "x" * 251 + ".png", "\udcff.png", "two\nlines.png"])
def test_long_and_odd_names_are_images(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    assert names(tmp_path) == [name]
