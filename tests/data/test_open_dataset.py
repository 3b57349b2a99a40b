"""Finding the images of a data set."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.dataset import Split
from cyclegan_jax.data.decode import decode
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.pairs import paired
from cyclegan_jax.data.resize import train_size
from cyclegan_jax.data.sets import cityscapes
from cyclegan_jax.errors import UserError
from tests.helpers.users import not_the_superuser


def write(root: Path, *names: str) -> None:
    """Write files that hold their own name: a folder's files are not decoded when they are opened."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def contents(split: Split) -> list[str]:
    return [split[index].encoded.decode() for index in range(len(split))]


def test_folder_holds_the_four_splits_sorted_by_path(tmp_path: Path) -> None:
    write(tmp_path, "trainA/b.png", "trainA/a.JPG", "trainA/c/a.jpeg", "trainB/x.webp", "testA/1.bmp", "testB/2.PNG")
    opened = open_dataset(DataConfig(dir=str(tmp_path)))
    assert contents(opened.train_A) == ["trainA/a.JPG", "trainA/b.png", "trainA/c/a.jpeg"]
    assert contents(opened.train_B) == ["trainB/x.webp"]
    assert contents(opened.test_A) == ["testA/1.bmp"]
    assert contents(opened.test_B) == ["testB/2.PNG"]
    assert opened.train_A[1].name == str(tmp_path / "trainA/b.png")


def test_the_first_training_images_by_name(tmp_path: Path) -> None:
    write(tmp_path, "trainA/c.png", "trainA/a.png", "trainA/b.png", "trainB/d.png", "testA/e.png", "testA/f.png")
    data = open_dataset(DataConfig(dir=str(tmp_path), max_images=2))
    assert [Path(name).name for name in data.train_A.names()] == ["a.png", "b.png"]
    assert (len(data.train_A), len(data.train_B), len(data.test_A)) == (2, 1, 2)
    assert data.train_A[1].name == str(tmp_path / "trainA" / "b.png")


def test_folder_leaves_out_hidden_and_other_files(tmp_path: Path) -> None:
    write(tmp_path, "trainA/a.png", "trainA/._a.png", "trainA/.cache/b.png", "trainA/notes.txt", "trainA/png")
    write(tmp_path, "trainB/b.png")
    assert contents(open_dataset(DataConfig(dir=str(tmp_path))).train_A) == ["trainA/a.png"]


def test_folder_below_a_hidden_one_or_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, ".data/set/trainA/a.png", ".data/set/trainB/b.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    opened = open_dataset(DataConfig(dir="~/.data/set"))
    assert (len(opened.train_A), len(opened.train_B)) == (1, 1)


def test_splits_may_be_links(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/a.png", "set/trainB/b.png")
    (tmp_path / "set/trainA").symlink_to(tmp_path / "elsewhere")
    assert len(open_dataset(DataConfig(dir=str(tmp_path / "set"))).train_A) == 1


def test_test_splits_may_be_missing_or_empty(tmp_path: Path) -> None:
    write(tmp_path, "trainA/a.png", "trainB/b.png")
    (tmp_path / "testB").mkdir()
    opened = open_dataset(DataConfig(dir=str(tmp_path)))
    assert len(opened.test_A) == len(opened.test_B) == 0
    # What training relies on to take its pictures from elsewhere.
    assert (opened.test_A or opened.train_A) is opened.train_A


def test_folder_must_be_given() -> None:
    with pytest.raises(UserError, match=r"data\.dir is not given: make a folder .*trainA and trainB.*--data\.dir="):
        open_dataset(DataConfig())


def test_folder_must_exist(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match=rf"'{re.escape(missing)}', but there is no such folder.*trainA and trainB"):
        open_dataset(DataConfig(dir=missing))


@pytest.mark.parametrize("split", ["trainA", "trainB"])
def test_training_splits_must_exist(tmp_path: Path, split: str) -> None:
    write(tmp_path, "trainA/a.png", "trainB/b.png")
    (tmp_path / split).rename(tmp_path / "other")
    with pytest.raises(UserError, match=rf"no folder {split} \({re.escape(str(tmp_path / split))} is missing\)"):
        open_dataset(DataConfig(dir=str(tmp_path)))


@pytest.mark.parametrize("split", ["trainA", "trainB"])
def test_training_splits_must_hold_images(tmp_path: Path, split: str) -> None:
    write(tmp_path, "trainA/a.png", "trainB/b.png")
    next((tmp_path / split).iterdir()).rename(tmp_path / split / "a.txt")
    with pytest.raises(UserError, match=rf"{re.escape(str(tmp_path / split))} holds no images: .*\.png"):
        open_dataset(DataConfig(dir=str(tmp_path)))


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that any user may reach; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_folders_must_be_readable(open_folder: Path) -> None:
    write(open_folder, "trainA/locked/a.png", "trainB/b.png")
    (open_folder / "trainA/locked").chmod(0)
    with (
        not_the_superuser(),
        pytest.raises(UserError, match=r"data\.dir: .*/locked cannot be read \(Permission denied\): check the perm"),
    ):
        open_dataset(DataConfig(dir=str(open_folder)))
    (open_folder / "trainA/locked").chmod(0o700)


def test_files_must_be_readable(open_folder: Path) -> None:
    write(open_folder, "trainA/a.png", "trainB/b.png")
    (open_folder / "trainA/a.png").chmod(0)
    opened = open_dataset(DataConfig(dir=str(open_folder)))
    with not_the_superuser(), pytest.raises(UserError, match=r"the image .*a\.png cannot be read \(Permission denied"):
        opened.train_A[0]


def test_splits_may_be_folders_of_folders(tmp_path: Path) -> None:
    write(tmp_path, "train/A/a.png", "train/B/b.png", "test/A/c.png", "testB/d.png")
    opened = open_dataset(DataConfig(dir=str(tmp_path)))
    assert contents(opened.train_A) == ["train/A/a.png"]
    assert contents(opened.train_B) == ["train/B/b.png"]
    assert contents(opened.test_A) == ["test/A/c.png"]
    assert contents(opened.test_B) == ["testB/d.png"]


def test_any_folder_may_be_a_split(tmp_path: Path) -> None:
    write(tmp_path, "horses/1.png", "more/zebras/2.png", "set/trainA/3.png", "set/testA/4.png", "set/trainB/5.png")
    own: dict[str, Any] = {"train_A": str(tmp_path / "horses"), "train_B": str(tmp_path / "more")}
    opened = open_dataset(DataConfig(**own))
    assert contents(opened.train_A) == ["horses/1.png"]
    assert contents(opened.train_B) == ["more/zebras/2.png"]
    assert len(opened.test_A) == len(opened.test_B) == 0
    # One of them beside a whole set.
    opened = open_dataset(DataConfig(dir=str(tmp_path / "set"), train_B=str(tmp_path / "more")))
    assert contents(opened.train_A) == ["set/trainA/3.png"]
    assert contents(opened.train_B) == ["more/zebras/2.png"]
    assert contents(opened.test_A) == ["set/testA/4.png"]


def test_a_given_split_must_exist(tmp_path: Path) -> None:
    write(tmp_path, "trainA/1.png", "trainB/2.png", "empty/notes.txt")
    with pytest.raises(UserError, match=r"data\.test_B is '.*nowhere', but there is no such folder"):
        open_dataset(DataConfig(dir=str(tmp_path), test_B=str(tmp_path / "nowhere")))
    with pytest.raises(UserError, match=r"empty holds no images"):
        open_dataset(DataConfig(dir=str(tmp_path), train_A=str(tmp_path / "empty")))
    with pytest.raises(UserError, match=r"data\.dir is not given"):
        open_dataset(DataConfig(train_A=str(tmp_path / "trainA")))
    with pytest.raises(UserError, match=r"data\.train_A is given, but data\.source is streets"):
        open_dataset(DataConfig(source="streets", train_A=str(tmp_path / "trainA")))


def test_a_tfds_set_must_be_given() -> None:
    wrong: list[dict[str, Any]] = [{}, {"name_A": "mnist"}, {"name": "maps", "name_B": "mnist"}]
    for names in wrong:
        with pytest.raises(UserError, match=r"no data set is given: give --data\.name=horse2zebra"):
            open_dataset(DataConfig(source="tfds", **names))


def test_the_error_for_a_deleted_file_holds_its_name(tmp_path: Path) -> None:
    write(tmp_path, "trainA/a.png", "trainB/b.png")
    opened = open_dataset(DataConfig(dir=str(tmp_path)))
    (tmp_path / "trainA/a.png").unlink()
    with pytest.raises(UserError, match=r"the image .*trainA/a\.png cannot be read \(No such file"):
        opened.train_A[0]


def test_a_fifo_is_reported_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    program = f"""
from pathlib import Path
from cyclegan_jax.data.folders import FolderSplit
try:
    FolderSplit(Path(), (Path({str(tmp_path / "pipe.png")!r}),))[0]
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    message = f"UserError: the image {tmp_path}/pipe.png cannot be read (it is a FIFO, not a regular file)\n"
    assert ended.stdout == message, ended.stderr


def test_streets_open_as_four_splits_of_decodable_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclegan_jax.data.streets import streets_set as streets

    # The real set, fewer and smaller: the full one takes half a minute to draw.
    full = streets.open_streets
    monkeypatch.setattr(streets, "open_streets", lambda data_dir: full(data_dir, train=3, test=2, size=32))
    opened = open_dataset(DataConfig(source="streets", dir=str(tmp_path)))
    splits = (opened.train_A, opened.train_B, opened.test_A, opened.test_B)
    assert [len(split) for split in splits] == [3, 3, 2, 2]
    for split in splits:
        example = split[1]
        assert example.name == "street_0001.png"
        assert decode(example.encoded, 3, example.name).shape == (32, 32, 3)
    assert np.any(opened.train_A[0].encoded != opened.train_B[0].encoded)
    assert paired(opened.test_A, opened.test_B) == [(0, 0), (1, 1)]


def test_a_set_of_the_paper_may_be_unpacked_already(tmp_path: Path) -> None:
    for folder in ("trainA", "trainB"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "0.png")
    opened = open_dataset(DataConfig(source="tfds", name="horse2zebra", dir=str(tmp_path)))
    assert (len(opened.train_A), len(opened.test_A)) == (1, 0)


@pytest.mark.parametrize("mode", ["resize_and_crop", "scale_width", "scale_width_and_crop", "crop", "none"])
@pytest.mark.parametrize("image_size", [128, 200, 256, 512])
def test_cityscapes_is_stored_large_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Any, image_size: int
) -> None:
    """Images in the stored size reach the same size in training as the originals, and are not enlarged."""
    sizes: list[tuple[int, int]] = []

    def prepare(_: Path, size: tuple[int, int] | None) -> Path:
        sizes.append((1024, 2048) if size is None else size)
        for split in ("trainA", "trainB"):
            write(tmp_path / "prepared", f"{split}/1.png")
        return tmp_path / "prepared"

    monkeypatch.setattr(cityscapes, "prepare", prepare)
    config = DataConfig(source="cityscapes", dir=str(tmp_path), preprocess=mode, image_size=image_size)
    open_dataset(config)
    (stored,) = sizes
    wanted = train_size((1024, 2048), config, 4)
    assert train_size(stored, config, 4) == wanted
    assert stored[0] >= wanted[0] and stored[1] >= wanted[1]
