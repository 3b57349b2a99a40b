"""The plan of a translation: what a pattern names, and results that stay in their folder, each a file of its own."""

import glob
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import file_plan, image_files
from cyclegan_jax.inference.file_patterns import matching

UINT8 = np.dtype(np.uint8)


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return path


def planned(inputs: object, output: Path, **options) -> dict[Path, Path]:
    return file_plan.plan(str(inputs), output, **({"format": None, "refuse": True, "kind": UINT8} | options)).chosen


def test_results_stay_in_the_output_despite_dots(tmp_path: Path) -> None:
    outside = picture(tmp_path / "x.png")
    for name in ("a", "b"):
        picture(tmp_path / "photos" / name / "y.png")
    out = tmp_path / "photos" / "deep" / "out"
    for pattern in ("photos/*/../../x.png", "photos/*/../../*.png"):
        assert planned(tmp_path / pattern, out) == {outside: out / "x.png"}
    chosen = planned(tmp_path / "photos" / "*" / ".." / "[ab]" / "y.png", out)
    assert sorted(chosen.values()) == [out / "a" / "y.png", out / "b" / "y.png"]


def test_circles_of_links_end_and_name_each_file_once(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    expected = {picture(photos / "a.png"), picture(photos / "deep" / "b.png")}
    linked = picture(tmp_path / "elsewhere" / "c.png")
    (photos / "elsewhere").symlink_to(linked.parent)
    # glob.glob would return 2^40 paths.
    (photos / "deep" / "first").symlink_to(photos)
    (photos / "second").symlink_to(".")
    (photos / "ring").symlink_to("ring")
    program = f"""
from cyclegan_jax.inference.file_patterns import matching
print(*sorted(matching({str(photos / "**" / "*.png")!r})), sep="\\n")
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert found.stdout.split() == sorted(map(str, expected | {photos / "elsewhere" / "c.png"}))


def test_double_stars_name_what_glob_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "x/a.png", "x/y/a.png", "x/y/z/b.png", "[s]/a.png", ".hidden/a.png", "x/.h.png"):
        picture(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for pattern in ("**/*.png", "x/**/*.png", "**/y/**/*.png", "**/y/*.png", "[[]s]/**/*", "**", "x/**", "no/**/*.png"):
        for start in ("", f"{tmp_path}/"):
            named = map(Path, glob.glob(start + pattern, recursive=True))  # noqa: PTH207 (the function it agrees with)
            expected = {path for path in named if path.is_file()}
            assert {path for path in matching(start + pattern) if path.is_file()} == expected, pattern
            assert expected or pattern.startswith("no/")


def test_a_link_in_the_output_is_not_written_through(tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "sub" / "a.png")
    precious = picture(tmp_path / "elsewhere" / "a.png")
    before = precious.read_bytes()
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").symlink_to(precious.parent)
    message = r"sub/a\.png would become .*out/sub/a\.png, which a link leads to .*elsewhere/a\.png, outside"
    with pytest.raises(UserError, match=message):
        planned(tmp_path / "photos", out, refuse=False)
    (out / "sub").unlink()
    (out / "sub").mkdir()
    (out / "sub" / "a.png").symlink_to(precious)
    with pytest.raises(UserError, match=message):
        planned(tmp_path / "photos", out, refuse=False)
    # A link made after the check is replaced, too, and its target keeps its content.
    with image_files.writing_together() as write:
        write(out / "sub" / "a.png", np.ones((4, 4, 3), np.uint8))
    assert not (out / "sub" / "a.png").is_symlink()
    assert precious.read_bytes() == before


def test_an_output_that_is_a_link_itself_is_fine(tmp_path: Path) -> None:
    file = picture(tmp_path / "photos" / "a.png")
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    assert planned(tmp_path / "photos", tmp_path / "out") == {file: tmp_path / "out" / "a.png"}


@pytest.mark.parametrize("names", [("a.png", "b.png"), ("x/a.png", "y/a.png")])
def test_two_results_that_links_make_one_are_an_error(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        picture(tmp_path / "photos" / name)
    out = tmp_path / "out"
    out.mkdir()
    if "/" in names[0]:
        (out / "x").mkdir()
        (out / "y").symlink_to("x")
    else:
        picture(out / "a.png")
        (out / "b.png").symlink_to("a.png")
    with pytest.raises(UserError, match=rf"{names[0]} and .*{names[1]} would both become"):
        planned(tmp_path / "photos", out, refuse=False)


def test_results_that_are_hard_links_become_two_files(tmp_path: Path) -> None:
    picture(tmp_path / "out" / "a.png")
    os.link(tmp_path / "out" / "a.png", tmp_path / "out" / "b.png")
    os.link(tmp_path / "out" / "a.png", tmp_path / "input.png")
    before = (tmp_path / "input.png").read_bytes()
    with image_files.writing_together() as write:
        for name, value in (("a", 100), ("b", 200)):
            write(tmp_path / "out" / f"{name}.png", np.full((4, 4, 3), value, np.uint8))
    for name, value in (("a", 100), ("b", 200)):
        with Image.open(tmp_path / "out" / f"{name}.png") as made:
            assert np.asarray(made).max() == value
    assert (tmp_path / "input.png").read_bytes() == before


def test_names_that_differ_in_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("photo.png", "PHOTO.PNG", "Photo.png"):
        picture(tmp_path / "photos" / name)
    if len(list((tmp_path / "photos").iterdir())) == 3:
        assert len(planned(tmp_path / "photos", tmp_path / "out")) == 3
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(file_plan, "_ignores_case", lambda folder: True)
    with pytest.raises(UserError, match=r"would both become .*: translate them to different folders"):
        planned(tmp_path / "photos", tmp_path / "out")


def test_a_fifo_among_the_inputs_is_reported_not_read(tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "a.png")
    fifo = tmp_path / "photos" / "pipe.png"
    os.mkfifo(fifo)
    for inputs in (fifo, tmp_path / "photos" / "p*.png"):
        assert list(planned(inputs, tmp_path / "out")) == [fifo]
    from cyclegan_jax.config import DataConfig

    raised: list[str] = []

    def read() -> None:
        try:
            image_files.read(fifo, DataConfig(), "A")
        except UserError as error:
            raised.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert raised == [f"the image {fifo} cannot be read (it is a FIFO, not a regular file)"]
