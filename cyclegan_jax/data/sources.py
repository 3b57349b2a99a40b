"""Where encoded images come from: random access to the four splits of a data set."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError

EXTENSIONS: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".npy")
"""Files of a folder that count as images; upper or lower case."""

SPLITS: Final = ("trainA", "trainB", "testA", "testB")


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
    """Open the data set that a config names, preparing it first where that is needed.

    `folder`: `config.dir` holds trainA and trainB, and for evaluation testA and testB, or train/A and so on; or
    `config.train_A` and its like name any folders. All files below them with one of `EXTENSIONS` are images, sorted by
    path; hidden files and folders are left out. `streets`: the embedded scenes. `cityscapes`: the official archives in
    `config.dir`, prepared beside them, or a folder as above. `tfds`: a data set by its name, or a folder as above that
    holds it unpacked.

    Args:
        config: the data.

    Raises:
        UserError: data are missing, hold no image, or cannot be prepared.
    """
    if config.source == "folder":
        return _open_folders(config)
    _check_no_folders(config)
    if config.source == "cityscapes":
        return _open_cityscapes(config)
    if config.source == "tfds":
        # An archive that was unpacked by hand, as by the official script.
        unpacked = config.name is not None and config.dir is not None and _holds_training(Path(config.dir).expanduser())
        return _open_folders(config) if unpacked else _records(_open_tfds(config))
    from cyclegan_jax.data.streets.dataset import open_streets  # imports tensorflow_datasets

    return _records(open_streets(config.dir))


def _open_folders(config: DataConfig) -> Sources:
    given = {"trainA": config.train_A, "trainB": config.train_B, "testA": config.test_A, "testB": config.test_B}
    # Of data.dir nothing is asked that single folders already answer.
    needs_root = config.dir is not None or config.train_A is None or config.train_B is None
    root = _data_folder(config.dir) if needs_root else None

    def split(name: str) -> _Files:
        optional = name.startswith("test")
        own = given[name]
        if own is not None:
            field = f"data.{name[:-1]}_{name[-1]}"
            folder = Path(own).expanduser()
            if not folder.is_dir():
                raise UserError(f"{field} is {own!r}, but there is no such folder: name one that holds images")
            return _Files.of_folder(folder, name, optional=False)
        if root is None:
            return _Files(())
        # trainA, or train/A
        folder = next((folder for folder in (root / name, root / name[:-1] / name[-1]) if folder.is_dir()), root / name)
        return _Files.of_folder(folder, name, optional=optional)

    return Sources(*(split(name) for name in SPLITS))


def _check_no_folders(config: DataConfig) -> None:
    for name in ("train_A", "train_B", "test_A", "test_B"):
        if getattr(config, name) is not None:
            raise UserError(
                f"data.{name} is given, but data.source is {config.source}: add --data.source=folder, or leave it out"
            )


def _holds_training(root: Path) -> bool:
    return (root / "trainA").is_dir() or (root / "train" / "A").is_dir()


def _open_cityscapes(config: DataConfig) -> Sources:
    from cyclegan_jax.data.sets import cityscapes

    root = _data_folder(
        config.dir, "with the official archives gtFine_trainvaltest.zip and leftImg8bit_trainvaltest.zip"
    )
    if _holds_training(root):
        return _open_folders(config)
    prepared = cityscapes.prepare(root, _cityscapes_size(config))
    return Sources(*(_Files.of_folder(prepared / name, name, optional=name.startswith("test")) for name in SPLITS))


def _cityscapes_size(config: DataConfig) -> tuple[int, int] | None:
    """The size in which Cityscapes is kept: as in the official preparation 256x256, unless more is asked for."""
    least = max(256, config.resolved_load_size)
    if config.preprocess == "resize_and_crop":
        return least, least
    if config.preprocess in ("scale_width", "scale_width_and_crop"):
        return least // 2, least // 2 * 2
    return None


def _open_tfds(config: DataConfig) -> Mapping[str, Sequence[dict[str, Any]]]:
    if config.name is not None and config.name_A is None and config.name_B is None:
        from cyclegan_jax.data.sets import paper_sets as tfds_sets  # imports tensorflow_datasets

        return tfds_sets.open_tfds(config.name, config.dir)
    if config.name is None and config.name_A is not None and config.name_B is not None:
        from cyclegan_jax.data.sets import labelled_sets as tfds_labelled  # imports tensorflow_datasets

        return tfds_labelled.open_labelled(config.name_A, config.name_B, config.dir)
    raise UserError(
        "data.source is tfds, but no data set is named: give --data.name=horse2zebra (or another of the paper's sets), "
        "or for any two image sets or classes both --data.name_A=cifar10:cat and --data.name_B=cifar10:dog"
    )


def _records(splits: Mapping[str, Sequence[dict[str, Any]]]) -> Sources:
    return Sources(*(_Records(splits[split]) for split in SPLITS))


def paired(test_A: Source, test_B: Source) -> list[tuple[int, int]]:
    """The pairs of a paired test set: images of A and B with the same file name.

    Extensions do not count, nor does an ending _A or _B that all names of a split have, as the official scripts'
    `0_A.jpg` and `0_B.jpg`.

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


def pair_ending(stems: Iterable[str], domain: str) -> str:
    """The ending _A or _B where all names of a split have it, which would tell the images of a pair apart."""
    ending = f"_{domain}"
    return ending if all(stem.endswith(ending) for stem in stems) else ""


def _stems(source: Source, domain: str) -> dict[str, int]:
    names = [source[index].name for index in range(len(source))]
    if not names:
        raise UserError(f"there are no test images of domain {domain}: put them in the folder test{domain} of data.dir")
    stems: dict[str, int] = {}
    ending = pair_ending([Path(name).stem for name in names], domain)
    for index, name in enumerate(names):
        other = stems.setdefault(Path(name).stem.removesuffix(ending), index)
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
    def of_folder(cls, folder: Path, split: str, *, optional: bool) -> "_Files":
        """The images below `folder`, which are those of `split`; one that is `optional` may be missing or empty."""
        domain = split[-1]
        if not folder.is_dir():
            if optional:
                return cls(())
            raise UserError(
                f"data.dir holds no folder {split} ({folder} is missing): put the training images of domain {domain} "
                f"there, name another folder by --data.train_{domain}=..., or by --data.dir=... the folder that holds "
                "trainA and trainB"
            )
        # By parts, so that a folder's files stay together whatever sorts around the separator.
        paths = sorted(_image_paths(folder), key=lambda path: path.relative_to(folder).parts)
        if not paths and not optional:
            raise UserError(
                f"{folder} holds no images: put the images of domain {domain} there ({', '.join(EXTENSIONS)})"
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


def _data_folder(
    given: str | None,
    layout: str = "with the training images in its sub-folders trainA and trainB, and test images in testA and testB",
) -> Path:
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
