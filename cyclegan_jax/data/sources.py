"""Where encoded images come from: random access to the four splits of a data set."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError

EXTENSIONS: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Files of a folder that count as images; upper or lower case."""


@dataclass(frozen=True)
class Example:
    """One image as it is stored.

    Attributes:
        encoded: the content of an image file.
        name: the file's path, or its name where the image lies in an archive.
    """

    encoded: bytes
    name: str


class Source(Protocol):
    """The images of one split, in a fixed order."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> Example:
        """The image at `index`, from 0."""


@dataclass(frozen=True)
class Sources:
    """The splits of a data set. The training splits hold images; a test split that is not there is empty."""

    train_A: Source
    train_B: Source
    test_A: Source
    test_B: Source


def open_sources(config: DataConfig) -> Sources:
    """Open the data set that a config names.

    `folder`: `config.dir` holds trainA and trainB, and for evaluation testA and testB. All files below them with one of
    `EXTENSIONS` are images, sorted by path; hidden files and folders are left out. `streets`: the embedded scenes.

    Raises:
        UserError: a folder is missing or holds no image, or the street scenes cannot be kept in `config.dir`.
    """
    if config.source == "streets":
        from cyclegan_jax.data.streets import open_streets  # imports tensorflow_datasets

        splits = open_streets(config.dir)
        return Sources(*(_Records(splits[split]) for split in ("trainA", "trainB", "testA", "testB")))
    root = _data_folder(config.dir)
    return Sources(
        _Files.of_split(root / "trainA"),
        _Files.of_split(root / "trainB"),
        _Files.of_split(root / "testA", optional=True),
        _Files.of_split(root / "testB", optional=True),
    )


def paired(test_A: Source, test_B: Source) -> list[tuple[int, int]]:
    """The pairs of a paired test set: images of A and B with the same file name, less its extension.

    Returns:
        Their indices (in A, in B), in the order of A; images without a partner are left out.

    Raises:
        UserError: a split is empty, two of its files have one name, or no name is in both.
    """
    stems_A, stems_B = _stems(test_A, "A"), _stems(test_B, "B")
    pairs = [(index, stems_B[stem]) for stem, index in stems_A.items() if stem in stems_B]
    if not pairs:
        raise UserError(
            "no test image of A has a partner in B: the two images of a pair need the same file name, up to the "
            f"extension, but A has {_examples(stems_A)} and B has {_examples(stems_B)}"
        )
    return pairs


def _stems(source: Source, domain: str) -> dict[str, int]:
    names = [source[index].name for index in range(len(source))]
    if not names:
        raise UserError(f"there are no test images of domain {domain}: put them in the folder test{domain} of data.dir")
    stems: dict[str, int] = {}
    for index, name in enumerate(names):
        other = stems.setdefault(Path(name).stem, index)
        if other != index:
            raise UserError(
                f"the test images {names[other]} and {name} of domain {domain} have the same name, so it cannot tell "
                "which images belong together: rename one, and its partner"
            )
    return stems


def _examples(stems: Mapping[str, int]) -> str:
    return ", ".join(list(stems)[:3]) + (", ..." if len(stems) > 3 else "")


@dataclass(frozen=True)
class _Files:
    """Image files, read when they are asked for."""

    paths: tuple[Path, ...]

    @classmethod
    def of_split(cls, folder: Path, *, optional: bool = False) -> "_Files":
        """The images below `folder`; one that is `optional` may be missing or empty."""
        if not folder.is_dir():
            if optional:
                return cls(())
            raise UserError(
                f"data.dir holds no folder {folder.name} ({folder} is missing): put the training images of domain "
                f"{folder.name[-1]} there, or name by --data.dir=... the folder that holds trainA and trainB"
            )
        # By parts, so that a folder's files stay together whatever sorts around the separator.
        paths = sorted(_image_paths(folder), key=lambda path: path.relative_to(folder).parts)
        if not paths and not optional:
            raise UserError(
                f"{folder} holds no images: put the training images of domain {folder.name[-1]} there "
                f"({', '.join(EXTENSIONS)})"
            )
        return cls(tuple(paths))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> Example:
        path = self.paths[index]
        try:
            return Example(path.read_bytes(), str(path))
        except OSError as error:
            raise UserError(f"the image {path} cannot be read ({error.strerror}): was it moved?") from error


@dataclass(frozen=True)
class _Records:
    """Records with `image`, the encoded bytes, and `filename`."""

    records: Sequence[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int, /) -> Example:
        record = self.records[index]
        return Example(record["image"], record["filename"])


def _data_folder(given: str | None) -> Path:
    layout = "with the training images in its sub-folders trainA and trainB, and test images in testA and testB"
    if given is None:
        raise UserError(f"data.dir is not given: make a folder {layout}, and name it by --data.dir=...")
    root = Path(given).expanduser()
    if not root.is_dir():
        raise UserError(
            f"data.dir is {given!r}, but there is no such folder: make it, {layout}, or name another by --data.dir=..."
        )
    return root


def _image_paths(folder: Path) -> list[Path]:
    def unreadable(error: OSError) -> NoReturn:
        raise UserError(f"the folder {error.filename} cannot be read ({error.strerror}): change its permissions")

    paths = []
    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [
            Path(parent, name) for name in files if not name.startswith(".") and name.lower().endswith(EXTENSIONS)
        ]
    return paths
