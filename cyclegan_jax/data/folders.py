"""Data sets in folders: the user's own images, or a data set that was unpacked or prepared before."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.dataset import EXTENSIONS, SPLITS, Dataset, Example
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import UnreadableError, read_bytes


@dataclass(frozen=True)
class FolderSplit:
    """Image files, each read when it is asked for."""

    paths: tuple[Path, ...]

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


def open_folders(config: DataConfig) -> Dataset:
    """Open the folders trainA, trainB, testA and testB (or train/A and so on) of `config.dir`.

    `config.train_A`, `train_B`, `test_A` and `test_B` each replace one of them. All files below a folder that end in
    one of `EXTENSIONS` are images, sorted by path; hidden files and folders are skipped. A test folder may be missing.

    Raises:
        UserError: a folder is missing, holds no images or cannot be read.
    """
    given = {"trainA": config.train_A, "trainB": config.train_B, "testA": config.test_A, "testB": config.test_B}
    # data.dir may be left out only if both training folders are given one by one.
    needs_root = config.dir is not None or config.train_A is None or config.train_B is None
    root = data_folder(config.dir) if needs_root else None

    def split(name: str) -> FolderSplit:
        own = given[name]
        if own is not None:
            folder = Path(own).expanduser()
            if not folder.is_dir():
                field = f"data.{name[:-1]}_{name[-1]}"
                raise UserError(f"{field} is {own!r}, but there is no such folder: give one that holds images")
            return _open_split(folder, name, optional=False)
        return FolderSplit(()) if root is None else _open_split_of(root, name)

    return Dataset(*(split(name) for name in SPLITS))


def open_data_folder(root: Path) -> Dataset:
    """Open the data set in `root`, which holds trainA, trainB and, for evaluation, testA and testB.

    Raises:
        UserError: a training folder is missing or holds no images, or a folder cannot be read.
    """
    return Dataset(*(_open_split_of(root, name) for name in SPLITS))


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
    root = Path(given).expanduser()
    if not root.is_dir():
        raise UserError(
            f"data.dir is {given!r}, but there is no such folder: make it, {layout}, or give another as --data.dir=..."
        )
    return root


def holds_training_images(root: Path) -> bool:
    """Return whether `root` looks like a folder that `open_folders` can open."""
    return (root / "trainA").is_dir() or (root / "train" / "A").is_dir()


def _open_split_of(root: Path, name: str) -> FolderSplit:
    """Open the folder trainA (for example) of `root`, or train/A if there is no trainA."""
    candidates = (root / name, root / name[:-1] / name[-1])
    folder = next((folder for folder in candidates if folder.is_dir()), root / name)
    return _open_split(folder, name, optional=name.startswith("test"))


def _open_split(folder: Path, name: str, *, optional: bool) -> FolderSplit:
    """List the images below `folder` for the split `name`; an `optional` folder may be missing or empty."""
    domain = name[-1]
    if not folder.is_dir():
        if optional:
            return FolderSplit(())
        raise UserError(
            f"data.dir holds no folder {name} ({folder} is missing): put the training images of domain {domain} "
            f"there, give another folder as --data.train_{domain}=..., or give the folder that holds trainA and trainB "
            "as --data.dir=..."
        )
    # Sorting by path parts keeps the files of a folder together: in plain text order, "a-b/1" comes between "a" and
    # "a/1", since "-" sorts before "/".
    paths = sorted(_image_paths(folder), key=lambda path: path.relative_to(folder).parts)
    if not paths and not optional:
        raise UserError(f"{folder} holds no images: put the images of domain {domain} there ({', '.join(EXTENSIONS)})")
    return FolderSplit(tuple(paths))


def _image_paths(folder: Path) -> list[Path]:
    def fail(error: OSError) -> NoReturn:
        raise UserError(f"the folder {error.filename} cannot be read ({error.strerror}): change its permissions")

    paths = []
    # Without onerror, os.walk skips a folder that it may not read, and its images would be missing without a word.
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]  # os.walk descends into what is left here
        paths += [
            Path(parent, name) for name in files if not name.startswith(".") and name.lower().endswith(EXTENSIONS)
        ]
    return paths
