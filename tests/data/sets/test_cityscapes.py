"""Cityscapes from archives with the official inner names, made here in small."""

import io
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data import palette
from cyclegan_jax.data.decode import decode
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.pairs import paired
from cyclegan_jax.data.resize import resize
from cyclegan_jax.data.sets import cityscapes
from cyclegan_jax.errors import UserError

SCENES = {
    "train": ["aachen/aachen_000000_000019", "aachen/aachen_000001_000019", "bochum/bochum_000000_000313"],
    "val": ["frankfurt/frankfurt_000000_000294", "lindau/lindau_000000_000019"],
    "test": ["berlin/berlin_000000_000019"],
}
# From the labels' official table: id, colour.
OFFICIAL = {
    7: (128, 64, 128), 8: (244, 35, 232), 11: (70, 70, 70), 12: (102, 102, 156), 13: (190, 153, 153),
    17: (153, 153, 153), 19: (250, 170, 30), 20: (220, 220, 0), 21: (107, 142, 35), 22: (152, 251, 152),
    23: (70, 130, 180), 24: (220, 20, 60), 25: (255, 0, 0), 26: (0, 0, 142), 27: (0, 0, 70), 28: (0, 60, 100),
    31: (0, 80, 100), 32: (0, 0, 230), 33: (119, 11, 32),
}  # fmt: skip


def label_ids(number: int) -> Uint8Image:
    """All ids from 0 to 33, each on 2x4 pixels and more."""
    return (np.arange(16 * 32).reshape(16, 32) // 8 + number).astype(np.uint8) % 34


def photo(number: int) -> Uint8Image:
    return np.random.default_rng(number).integers(0, 256, (16, 32, 3), dtype=np.uint8)


def png(pixels: Uint8Image) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def content() -> dict[str, dict[str, bytes]]:
    """By package, the files by their official names."""
    files: dict[str, dict[str, bytes]] = {"gtFine": {}, "leftImg8bit": {}}
    for split, scenes in SCENES.items():
        for number, scene in enumerate(scenes):
            files["leftImg8bit"][f"leftImg8bit/{split}/{scene}_leftImg8bit.png"] = png(photo(number))
            files["gtFine"][f"gtFine/{split}/{scene}_gtFine_labelIds.png"] = png(label_ids(number))
            files["gtFine"][f"gtFine/{split}/{scene}_gtFine_color.png"] = png(photo(number + 50))
            files["gtFine"][f"gtFine/{split}/{scene}_gtFine_polygons.json"] = b"{}"
    return files


def write_archive(folder: Path, package: str, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{package}_trainvaltest.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README", "")
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    for package, files in content().items():
        write_archive(tmp_path / "downloads", package, files)
    return tmp_path / "downloads"


def unpack(folder: Path, package: str) -> None:
    with zipfile.ZipFile(folder / f"{package}_trainvaltest.zip") as archive:
        archive.extractall(folder)
    (folder / f"{package}_trainvaltest.zip").unlink()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def read(path: Path) -> Uint8Image:
    return decode(path.read_bytes(), 3, str(path))


def test_splits_pairs_and_names(archives: Path) -> None:
    target = cityscapes.prepare(archives, (8, 16))
    assert target == archives / "cyclegan_16x8"
    expected = {
        f"{split}{domain}/{scene.split('/')[1]}.png"
        for official, split in (("train", "train"), ("val", "test"))
        for scene in SCENES[official]
        for domain in "AB"
    }
    assert set(files_of(target)) == expected
    assert sorted(path.name for path in archives.iterdir()) == [
        "cyclegan_16x8", "gtFine_trainvaltest.zip", "leftImg8bit_trainvaltest.zip",
    ]  # fmt: skip


def test_labels_have_the_official_colours_and_the_rest_is_black(archives: Path) -> None:
    target = cityscapes.prepare(archives, None)
    assert target.name == "cyclegan_original"
    labels, ids = read(target / "trainA" / "aachen_000001_000019.png"), label_ids(1)
    for identity in range(34):
        assert np.all(labels[ids == identity] == OFFICIAL.get(identity, (0, 0, 0))), identity
    assert set(OFFICIAL.values()) == {tuple(color) for color in palette.color_array().tolist()}


def test_labels_are_resized_by_nearest_and_photos_smoothly(archives: Path) -> None:
    original, small = (cityscapes.prepare(archives, size) for size in (None, (7, 11)))
    for name in ("trainA/bochum_000000_000313.png", "testA/lindau_000000_000019.png"):
        np.testing.assert_array_equal(read(small / name), resize(read(original / name), 7, 11, nearest=True))
    for name, number in (("trainB/bochum_000000_000313.png", 2), ("testB/lindau_000000_000019.png", 1)):
        np.testing.assert_array_equal(read(original / name), photo(number))
        np.testing.assert_array_equal(read(small / name), resize(photo(number), 7, 11, nearest=False))


@pytest.mark.parametrize("unpacked", [("gtFine",), ("leftImg8bit",), ("gtFine", "leftImg8bit")])
def test_unpacked_archives_give_the_same_files(archives: Path, unpacked: tuple[str, ...]) -> None:
    expected = files_of(cityscapes.prepare(archives, (8, 16)))
    shutil.rmtree(archives / "cyclegan_16x8")
    for package in unpacked:
        unpack(archives, package)
    assert files_of(cityscapes.prepare(archives, (8, 16))) == expected


def test_the_second_time_nothing_is_read(archives: Path, log_lines: list[str]) -> None:
    target = cityscapes.prepare(archives, (8, 16))
    assert log_lines[0].startswith("preparing 5 Cityscapes scenes in")
    assert log_lines[-1].startswith("Cityscapes is ready in")
    for package in ("gtFine", "leftImg8bit"):
        (archives / f"{package}_trainvaltest.zip").unlink()
    assert cityscapes.prepare(archives, (8, 16)) == target
    assert len(log_lines) == 2


def test_a_damaged_entry_is_reported_and_the_rest_kept(archives: Path) -> None:
    name = "leftImg8bit/train/bochum/bochum_000000_000313_leftImg8bit.png"
    path = archives / "leftImg8bit_trainvaltest.zip"
    whole = path.read_bytes()
    place = whole.index(content()["leftImg8bit"][name])
    path.write_bytes(whole[: place + 100] + bytes([whole[place + 100] ^ 1]) + whole[place + 101 :])
    with pytest.raises(UserError, match=rf"{name} in .*zip cannot be read \(Bad CRC-32.*download the archive again"):
        cityscapes.prepare(archives, (8, 16))
    assert not (archives / "cyclegan_16x8").exists()

    partial = archives / ".cyclegan_16x8.partial"
    made = {path: path.stat().st_mtime_ns for path in partial.rglob("*.png")}
    assert made
    path.write_bytes(whole)
    target = cityscapes.prepare(archives, (8, 16))
    assert not partial.exists()
    for file, stamp in made.items():
        assert (target / file.relative_to(partial)).stat().st_mtime_ns == stamp
    assert len(files_of(target)) == 10


def test_an_interrupt_leaves_no_finished_folder(archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cityscapes, "_write_photo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cityscapes.prepare(archives, (8, 16))
    assert not (archives / "cyclegan_16x8").exists()
    assert len(files_of(cityscapes.prepare(archives, (8, 16)))) == 10


@pytest.mark.parametrize("left", [b"", b"half"])
def test_a_damaged_leftover_is_made_again(archives: Path, left: bytes) -> None:
    """A power failure can leave files empty that an earlier version had not flushed."""
    expected = files_of(cityscapes.prepare(archives, (8, 16)))
    target, partial = archives / "cyclegan_16x8", archives / ".cyclegan_16x8.partial"
    target.rename(partial)
    for path in list(partial.rglob("*.png"))[::3]:
        path.write_bytes(path.read_bytes()[:60] if left else b"")
    assert files_of(cityscapes.prepare(archives, (8, 16))) == expected


def test_another_process_may_be_faster(archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the file system has no locks."""
    first = files_of(cityscapes.prepare(archives, (8, 16)))
    (archives / "cyclegan_16x8").rename(archives / "finished")
    make_all = cityscapes._make_all

    def slower(*args: object) -> None:
        make_all(*args)  # type: ignore[arg-type]
        (archives / "finished").rename(archives / "cyclegan_16x8")

    monkeypatch.setattr(cityscapes, "_make_all", slower)
    assert files_of(cityscapes.prepare(archives, (8, 16))) == first
    assert not list(archives.glob(".*"))


PREPARE = """
import sys, time
from pathlib import Path
from cyclegan_jax.console import shown_log
from cyclegan_jax.data.sets import cityscapes
write = cityscapes._write_photo
def slow(*args):
    time.sleep(0.1)
    write(*args)
cityscapes._write_photo = slow
print("ready", flush=True)
sys.stdin.read(1)
with shown_log():
    cityscapes.prepare(sys.argv[1], (8, 16))
"""


def preparing(archives: Path) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", PREPARE, str(archives)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def test_of_several_preparations_at_once_one_prepares(archives: Path) -> None:
    expected = files_of(cityscapes.prepare(archives, (8, 16)))
    shutil.rmtree(archives / "cyclegan_16x8")
    together = [preparing(archives) for _ in range(4)]
    for process in together:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
    ended = [process.communicate(timeout=60) for process in together]
    assert [process.returncode for process in together] == [0] * 4, ended
    assert sum("preparing 5 Cityscapes scenes" in out for out, _ in ended) == 1
    assert files_of(archives / "cyclegan_16x8") == expected
    assert not list(archives.glob(".*"))


def test_what_a_killed_preparation_left_is_removed(archives: Path) -> None:
    killed = preparing(archives)
    assert killed.stdin is not None
    killed.stdin.write("x")
    killed.stdin.flush()
    partial = archives / ".cyclegan_16x8.partial"
    end = time.monotonic() + 60
    while not list(partial.glob("trainA/*.png")):
        assert time.monotonic() < end
    killed.kill()
    killed.communicate()
    assert not (archives / "cyclegan_16x8").exists()
    (partial / "trainB" / ".0123456789abcdef.partial").write_bytes(b"half")
    assert len(files_of(cityscapes.prepare(archives, (8, 16)))) == 10
    assert not list(archives.glob(".*"))


def test_a_link_for_the_unfinished_folder_is_refused(archives: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (archives / ".cyclegan_16x8.partial").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"\.cyclegan_16x8\.partial is a link, .*: delete it"):
        cityscapes.prepare(archives, (8, 16))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_scenes_without_photo_or_labels_are_counted(tmp_path: Path, log_lines: list[str]) -> None:
    files = content()
    del files["gtFine"]["gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"]
    del files["leftImg8bit"]["leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png"]
    for package, entries in files.items():
        write_archive(tmp_path, package, entries)
    target = cityscapes.prepare(tmp_path, (8, 16))
    assert "1 photos have no label maps and are left out" in log_lines
    assert "1 label maps have no photo and are left out" in log_lines
    assert len(files_of(target)) == 6


def without(archives: Path, package: str) -> None:
    (archives / f"{package}_trainvaltest.zip").unlink()


def truncated(archives: Path, package: str) -> None:
    path = archives / f"{package}_trainvaltest.zip"
    path.write_bytes(path.read_bytes()[:-200])


def another(archives: Path, package: str) -> None:
    write_archive(archives, package, {"gtCoarse/train/aachen/aachen_000000_000019_gtCoarse_labelIds.png": b""})


def half(archives: Path, package: str) -> None:
    write_archive(archives, package, {name: data for name, data in content()[package].items() if "/val/" not in name})


def of_other_scenes(archives: Path, package: str) -> None:
    files = {re.sub(r"_0{6}_|_000001_", "_999999_", name): data for name, data in content()[package].items()}
    write_archive(archives, package, files)


def picture_cut(archives: Path, package: str) -> None:
    files = {name: data[: len(data) // 2] for name, data in content()[package].items()}
    write_archive(archives, package, files)


@pytest.mark.parametrize("package", ["gtFine", "leftImg8bit"])
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            without,
            r"downloads holds neither {package}_trainvaltest\.zip nor its unpacked folder {package}: download it",
        ),
        (truncated, r"{package}_trainvaltest\.zip is not a complete zip archive \(.*\): compare its size"),
        (
            another,
            r"{package}_trainvaltest\.zip holds no files {package}/train/CITY/\*.*: it is not the complete official",
        ),
        (half, r"holds no files {package}/val/CITY/\*"),
        (of_other_scenes, r"no photo of train has label maps: .* do not belong together"),
        (picture_cut, r"{package}/(train|val)/.*png in .*zip cannot be read"),
    ],
)
def test_wrong_archives_are_errors(
    archives: Path, package: str, harm: Callable[[Path, str], None], message: str
) -> None:
    harm(archives, package)
    with pytest.raises(UserError, match=message.format(package=package)):
        cityscapes.prepare(archives, (8, 16))
    assert not (archives / "cyclegan_16x8").exists()


def test_folder_and_size_must_be_valid(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*nowhere: make it"):
        cityscapes.prepare(tmp_path / "nowhere", None)
    with pytest.raises(UserError, match=r"the size for Cityscapes is \(0, 5\)"):
        cityscapes.prepare(tmp_path, (0, 5))


def test_a_folder_that_cannot_be_written_to_is_an_error(archives: Path) -> None:
    (archives / ".cyclegan_16x8.partial").write_text("a file where the folder goes")
    with pytest.raises(UserError, match=r"downloads cannot be written to \((File exists|Not a directory)\): make room"):
        cityscapes.prepare(archives, (8, 16))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"image_size": 128}, "cyclegan_256x256"),
        ({"image_size": 288}, "cyclegan_322x322"),
        ({"image_size": 128, "preprocess": "scale_width_and_crop", "load_size": 512}, "cyclegan_512x256"),
        ({"image_size": 16, "preprocess": "crop"}, "cyclegan_original"),
    ],
)
def test_the_config_decides_the_size(archives: Path, values: dict[str, int], name: str) -> None:
    config = DataConfig(source="cityscapes", dir=str(archives), **values)  # type: ignore[arg-type]
    opened = open_dataset(config)
    assert (archives / name).is_dir()
    assert [len(split) for split in (opened.train_A, opened.train_B, opened.test_A, opened.test_B)] == [3, 3, 2, 2]
    assert paired(opened.test_A, opened.test_B) == [(0, 0), (1, 1)]


def test_a_prepared_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    for split in ("trainA", "trainB"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "1.png").write_bytes(png(photo(0)))
    opened = open_dataset(DataConfig(source="cityscapes", dir=str(tmp_path)))
    assert len(opened.train_A) == 1
    with pytest.raises(UserError, match=r"data\.dir is not given: make a folder with the official archives"):
        open_dataset(DataConfig(source="cityscapes"))
