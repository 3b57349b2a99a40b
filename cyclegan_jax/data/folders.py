"""Data sets in folders: the user's own images, or a data set that was unpacked or prepared before."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.dataset import EXTENSIONS, SPLITS, Dataset, Example
from cyclegan_jax.data.skipped import left_out_line
from cyclegan_jax.data.walk import walk
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import UnreadableError, read_bytes

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FolderSplit:
    """Image files, each read when it is asked for.

    Attributes:
        folder: the folder below which they are.
        paths: the files.
        left_out: the reason for leaving a file or folder out, by its path.
    """

    folder: Path
    paths: tuple[Path, ...]
    left_out: dict[Path, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> Example:
        path = self.paths[index]
        try:
            return Example(read_bytes(path), str(path))
        except UnreadableError as error:
            raise UserError(f"the image {error}") from error

    def names(self) -> list[str]:
        """Return the path of every file; no file is opened."""
        return [str(path) for path in self.paths]

    def listing(self) -> list[tuple[str, int]]:
        """Return the path below `folder`, and the size, of every file, see `Listed`; no file is opened."""
        below = str(self.folder / "_").removesuffix("_")
        return [(name.removeprefix(below), _size(name)) for name in self.names()]


def _size(path: str) -> int:
    # What cannot be read is reported when it is its turn.
    try:
        return files.size(path)
    except UnreadableError:
        return -1


def open_folders(config: DataConfig) -> Dataset:
    """Open the folders trainA, trainB, testA and testB (or train/A and so on) of `config.dir`.

    `config.train_A`, `train_B`, `test_A` and `test_B` each replace one of them. All files below a folder that end in
    one of `EXTENSIONS` are images, sorted by path, see `walk.walk`. A test folder may be missing.

    Raises:
        UserError: a folder is missing, holds no images or cannot be read.
    """
    given = {"trainA": config.train_A, "trainB": config.train_B, "testA": config.test_A, "testB": config.test_B}
    # data.dir may be left out only if both training folders are given one by one.
    needs_root = config.dir is not None or config.train_A is None or config.train_B is None
    root = data_folder(config.dir) if needs_root else None

    def split(name: str) -> FolderSplit:
        own = given[name]
        if own is None:
            with files.naming("data.dir"):
                return FolderSplit(Path(), ()) if root is None else _open_split_of(root, name)
        option = f"data.{name[:-1]}_{name[-1]}"
        with files.naming(option):
            folder = files.expand(own)
            if not files.is_dir(folder):
                raise UserError(f"{option} is {own!r}, but there is no such folder: give one that holds images")
            return _open_split(folder, name, optional=False)

    return _dataset(split(name) for name in SPLITS)


def open_data_folder(root: Path) -> Dataset:
    """Open the data set in `root`, which holds trainA, trainB and, for evaluation, testA and testB.

    Raises:
        UserError: a training folder is missing or holds no images, or a folder cannot be read.
    """
    return _dataset(_open_split_of(root, name) for name in SPLITS)


def data_folder(
    given: str | None,
    layout: str = "with the training images in its sub-folders trainA and trainB, and test images in testA and testB",
) -> Path:
    """Return `data.dir` as a path, with `~` expanded.

    Args:
        given: the value of `data.dir`.
        layout: what the folder should hold, for the error message.

    Raises:
        UserError: `data.dir` is not given or is not a folder.
    """
    if given is None:
        raise UserError(f"data.dir is not given: make a folder {layout}, and give it as --data.dir=...")
    with files.naming("data.dir"):
        root = files.expand(given)
        if not files.is_dir(root):
            raise UserError(
                f"data.dir is {given!r}, but there is no such folder: make it, {layout}, or give another as "
                "--data.dir=..."
            )
    return root


def holds_training_images(root: Path) -> bool:
    """Return whether `root` looks like a folder that `open_folders` can open."""
    return files.is_dir(root / "trainA") or files.is_dir(root / "train" / "A")


def _dataset(opened: Iterable[FolderSplit]) -> Dataset:
    """Log what the splits leave out, and return the data set of these four."""
    splits = list(opened)
    left_out = {path: reason for split in splits for path, reason in split.left_out.items()}
    if line := left_out_line(left_out):
        _LOG.warning(line)
    return Dataset(*splits, left_out=left_out)


def _open_split_of(root: Path, name: str) -> FolderSplit:
    """Open the folder trainA (for example) of `root`, or train/A if there is no trainA."""
    candidates = (root / name, root / name[:-1] / name[-1])
    folder = next((folder for folder in candidates if files.is_dir(folder)), root / name)
    return _open_split(folder, name, optional=name.startswith("test"))


def _open_split(folder: Path, name: str, *, optional: bool) -> FolderSplit:
    """List the images below `folder` for the split `name`; an `optional` folder may be missing or empty."""
    domain = name[-1]
    if not files.is_dir(folder):
        if optional:
            return FolderSplit(folder, ())
        raise UserError(
            f"data.dir holds no folder {name} ({folder} is missing): put the training images of domain {domain} "
            f"there, give another folder as --data.train_{domain}=..., or give the folder that holds trainA and trainB "
            "as --data.dir=..."
        )
    found = walk(folder)
    if not found.images and not optional:
        line = left_out_line(found.left_out)
        raise UserError(
            f"{folder} holds no images{f' ({line})' if line else ''}: put the images of domain {domain} there "
            f"({', '.join(EXTENSIONS)})"
        )
    return FolderSplit(folder, tuple(found.images), found.left_out)
