"""Data sets with as many images are told apart by their files' names and sizes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.batches import TrainIterator, train_iterator
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.data.fingerprint import fingerprint
from cyclegan_jax.data.folders import FolderSplit
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.errors import UserError
from tests.data.test_train_images import Counting
from tests.helpers.examples import config, noisy


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for domain, number in (("A", 3), ("B", 4)):
        folder = tmp_path / "photos" / f"train{domain}"
        folder.mkdir(parents=True)
        for item in noisy(number, seed=number).examples:
            (folder / item.name).write_bytes(item.encoded)
    return tmp_path / "photos"


def opened(folder: Path, **data: int) -> TrainIterator:
    experiment = config(dir=str(folder), **data)
    return train_iterator(open_dataset(experiment.data), experiment)


def test_a_copy_is_the_same_data(photos: Path, tmp_path: Path) -> None:
    state = opened(photos).get_state()
    assert set(state) == {"pairs", *(f"{kind}_{domain}" for kind in ("images", "names", "files") for domain in "AB")}
    shutil.copytree(photos, tmp_path / "elsewhere" / "copy")
    os.utime(tmp_path / "elsewhere" / "copy" / "trainA" / "0.png", (0, 0))
    copy = opened(tmp_path / "elsewhere" / "copy")
    assert copy.get_state() == state
    copy.set_state(state)


def rename(photos: Path) -> None:
    (photos / "trainA" / "1.png").rename(photos / "trainA" / "new.png")


def replace(photos: Path) -> None:
    path = photos / "trainB" / "2.png"
    path.write_bytes(path.read_bytes() + b"more")


def exchange(photos: Path) -> None:
    for domain, other in (("A", "B"), ("B", "A")):
        (photos / f"train{domain}" / "0.png").rename(photos / f"{other}.png")
    (photos / "A.png").rename(photos / "trainA" / "0.jpg")
    (photos / "B.png").rename(photos / "trainB" / "0.png")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rename, "images of A as the run was trained on, but others: their names differ: give the run's own data"),
        (replace, "images of B as the run was trained on, but others: the size of a file differs: give the run's own"),
        (exchange, "images of A as the run was trained on, but others: their names differ"),
    ],
)
def test_other_files_are_refused_unless_allowed(
    photos: Path, change: Callable[[Path], None], said: str, log_lines: list[str]
) -> None:
    state = opened(photos).get_state() | {"pairs": 2}
    change(photos)
    now = opened(photos)
    with pytest.raises(UserError, match=said):
        now.set_state(state)
    assert now.get_state()["pairs"] == 0 and not log_lines
    now.set_state(state, allow_changes=True)
    assert now.get_state()["pairs"] == 2
    assert [
        line.endswith("differ: continuing with these") or line.endswith("differs: continuing with these")
        for line in log_lines
    ] == [True]


def test_another_number_is_refused_even_if_changes_are_allowed(photos: Path) -> None:
    state = opened(photos).get_state()
    with pytest.raises(UserError, match=r"trained on 4 images of B, .* holds 3: .* --data\.dir, or start"):
        opened(photos, max_images=3).set_state(state, allow_changes=True)


def test_the_first_images_alone_count(photos: Path) -> None:
    state = opened(photos, max_images=2).get_state()
    replace(photos)  # the third of B
    opened(photos, max_images=2).set_state(state)
    assert opened(photos).get_state()["files_B"] != state["files_B"]


def test_a_state_of_an_early_version_is_accepted(photos: Path) -> None:
    opened(photos).set_state({"pairs": 3, "images_A": 3, "images_B": 4})


def test_a_missing_file_is_reported_when_it_is_read(photos: Path) -> None:
    (photos / "trainA" / "1.png").unlink()
    (photos / "trainA" / "1.png").symlink_to("nowhere")
    split = open_dataset(DataConfig(dir=str(photos))).train_A
    assert isinstance(split, FolderSplit) and [size == -1 for _, size in split.listing()] == [False, True, False]
    with pytest.raises(UserError, match=r"1\.png cannot be read"):
        split[1]


def test_a_split_without_a_listing_has_a_number_alone() -> None:
    split = Counting(noisy(3, 0))
    assert fingerprint(split) == {}
    assert set(train_iterator(Dataset(split, split), config()).get_state()) == {"pairs", "images_A", "images_B"}
