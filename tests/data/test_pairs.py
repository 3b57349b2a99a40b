"""Pairing test images by file name."""

from pathlib import Path

import pytest

from cyclegan_jax.data.dataset import Example, MemorySplit
from cyclegan_jax.data.folders import FolderSplit
from cyclegan_jax.data.pairs import paired
from cyclegan_jax.errors import UserError


def named(*names: str) -> MemorySplit:
    return MemorySplit(tuple(Example(b"", name) for name in names))


def test_pairs_ignore_order_folder_and_extension() -> None:
    pairs = paired(named("A/2.png", "A/1.png", "A/4.png"), named("B/1.jpg", "B/3.jpg", "B/2.jpg"))
    assert pairs == [(0, 2), (1, 0)]


def test_pairs_ignore_the_endings_of_the_official_scripts() -> None:
    assert paired(named("0_A.jpg", "1_A.jpg"), named("1_B.jpg", "0_B.jpg")) == [(0, 1), (1, 0)]
    # An ending that not all have belongs to the name.
    assert paired(named("0_A.jpg", "0.jpg"), named("0_A.jpg", "1.jpg")) == [(0, 0)]


def test_no_pair_at_all_is_an_error() -> None:
    with pytest.raises(UserError, match=r"no test image of A has a partner.*A has a, b, c, \.\.\. and B has x$"):
        paired(named("a.png", "b.png", "c.png", "d.png"), named("x.png"))


@pytest.mark.parametrize("empty", ["A", "B"])
def test_pairs_need_both_test_splits(empty: str) -> None:
    splits = {"A": named("a.png"), "B": named("a.png")} | {empty: named()}
    with pytest.raises(UserError, match=rf"no test images of domain {empty}: put them in the folder test{empty}"):
        paired(splits["A"], splits["B"])


def test_two_files_with_one_name_are_an_error() -> None:
    with pytest.raises(UserError, match=r"x/1\.png and y/1\.png of domain B have the same name"):
        paired(named("1.png"), named("x/1.png", "y/1.png"))


def test_pairing_reads_no_image() -> None:
    missing = [FolderSplit(Path("nowhere"), (Path("nowhere", domain, "1.png"),)) for domain in "AB"]
    assert paired(*missing) == [(0, 0)]
