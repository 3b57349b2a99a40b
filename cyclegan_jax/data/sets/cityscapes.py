"""Cityscapes: its official archives converted once to a folder with trainA, trainB, testA and testB.

Domain A holds label maps and domain B photos; the official split `val` becomes the test split, as in the paper. The
archives are read without unpacking them.
"""

import functools
import logging
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8

from cyclegan_jax import files
from cyclegan_jax.data import images, palette
from cyclegan_jax.data.decode import decode, is_whole, open_picture
from cyclegan_jax.data.resize import resize
from cyclegan_jax.data.sets import archives
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import alone_in, commit, make_folder, read_bytes, write_atomically

_LOG = logging.getLogger(__name__)

_SPLITS: Final = {"train": "train", "val": "test"}
_LOG_SECONDS: Final = 10.0
# The label ids of the 19 evaluated classes, in the order of the palette (`labels.py` of cityscapesScripts).
_IDS: Final = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


@dataclass(frozen=True)
class _Package:
    """One of the two official downloads, as an archive or unpacked.

    Attributes:
        name: the top folder in it.
        suffix: how the names of the files end that are read.
    """

    name: str
    suffix: str

    @property
    def archive(self) -> str:
        """File name of the download."""
        return f"{self.name}_trainvaltest.zip"


_LABELS: Final = _Package("gtFine", "_gtFine_labelIds.png")
_PHOTOS: Final = _Package("leftImg8bit", "_leftImg8bit.png")


@dataclass(frozen=True)
class _File:
    """A file of a package: its name, for error messages, and a function that reads its content."""

    name: str
    read: Callable[[], bytes]


Files = dict[tuple[str, str], _File]
"""By split (`train`, `val`) and scene, such as `aachen_000000_000019`."""


def prepare(folder: str | Path, size: tuple[int, int] | None) -> Path:
    """Convert the official downloads to a training folder, unless it exists already.

    Label maps are made from the label ids: the 19 evaluated classes get their official colours, and all other pixels
    are black, which scores ignore. (The official colour files show more classes, some in the colour of another class.)
    Label maps are resized by nearest neighbour, photos with antialiasing. All files are lossless PNGs.

    An interrupted call is resumed by the next one: images are written one by one into a hidden folder, which is renamed
    at the end. Of several processes one prepares, and the others wait for it.

    Args:
        folder: holds `gtFine_trainvaltest.zip` and `leftImg8bit_trainvaltest.zip`, or the folders they unpack to.
        size: height and width in pixels; None keeps the original 1024x2048.

    Returns:
        `<folder>/cyclegan_<width>x<height>` or `<folder>/cyclegan_original`, with trainA, trainB, testA and testB. The
        two images of a scene have the same file name.

    Raises:
        UserError: a download is missing, damaged or not the official one, or the folder cannot be written to.
    """
    folder = files.expand(folder)
    if size is not None and min(size) < 1:
        raise UserError(f"the size for Cityscapes is {size}, but height and width must be at least 1")
    name = "cyclegan_original" if size is None else f"cyclegan_{size[1]}x{size[0]}"
    target, partial = folder / name, folder / f".{name}.partial"
    if files.is_dir(target):
        return target
    if not files.is_dir(folder):
        raise UserError(f"there is no folder {folder}: make it, and put the official Cityscapes archives there")
    with alone_in(folder):
        if not files.is_dir(target):  # another process may have prepared it while this one waited
            _prepare(folder, target, partial, size)
    return target


def _prepare(folder: Path, target: Path, partial: Path, size: tuple[int, int] | None) -> None:
    labels, photos = _find(folder, _LABELS), _find(folder, _PHOTOS)
    scenes = _whole_scenes(labels, photos)
    if partial.is_symlink():
        raise UserError(f"{partial} is a link, through which images would be written elsewhere: delete it")
    try:
        for split in _SPLITS.values():
            for domain in "AB":
                make_folder(partial / f"{split}{domain}")
        for left in partial.glob("*/.*.partial"):  # of a killed process, whose lock this one has now
            left.unlink()
        _LOG.info(f"preparing {len(scenes):,} Cityscapes scenes in {target} (once; if interrupted, it resumes)")
        _make_all(scenes, labels, photos, partial, size)
        commit(partial, target)
    except OSError as error:
        # Without locks another process was faster: renaming to a folder that holds files fails.
        if files.is_dir(target):
            shutil.rmtree(partial, ignore_errors=True)
            return
        if error.filename is not None and not Path(error.filename).is_relative_to(partial):
            raise files.UnreadableError(error.filename, error) from error
        raise UserError(
            f"{folder} cannot be written to ({error.strerror}): make room, or move the archives to another folder"
        ) from error
    _LOG.info(f"Cityscapes is ready in {target}")


def _find(folder: Path, package: _Package) -> Files:
    """List the files of a package: from its unpacked folder, or else from its archive."""
    archive = folder / package.archive
    for unpacked in (folder / package.name, folder / archive.stem / package.name):
        if files.is_dir(unpacked):
            return _checked(_in_folder(unpacked, package), package, unpacked)
    if files.is_file(archive):
        return _checked(_in_archive(archive, package), package, archive)
    raise UserError(
        f"{folder} holds neither {package.archive} nor its unpacked folder {package.name}: download it from "
        "cityscapes-dataset.com, where it is free for research after registration; for a folder with trainA and "
        "trainB, use --data.source=folder"
    )


def _in_folder(unpacked: Path, package: _Package) -> Files:
    return {
        (split, path.name.removesuffix(package.suffix)): _File(str(path), functools.partial(read_bytes, path))
        for split in _SPLITS
        for city in files.entries(unpacked / split)
        for path in files.entries(city)
        if path.name.endswith(package.suffix)
    }


def _in_archive(archive: Path, package: _Package) -> Files:
    try:
        opened = zipfile.ZipFile(archive)
        archives.check(opened)
    except OSError as error:
        raise files.UnreadableError(archive, error) from error
    except zipfile.BadZipFile as error:
        raise UserError(
            f"{archive} is not a complete zip archive ({error}): compare its size with that on the site, and download "
            "it again"
        ) from error
    form = re.compile(rf"(?:.*/)?{package.name}/(train|val)/[^/]+/([^/]+){re.escape(package.suffix)}")
    matches = [match for match in map(form.fullmatch, sorted(opened.namelist())) if match]
    return {
        (match[1], match[2]): _File(f"{match[0]} in {archive}", functools.partial(archives.read, opened, match[0]))
        for match in matches
    }


def _checked(files: Files, package: _Package, place: Path) -> Files:
    missing = [split for split in _SPLITS if not any(split == of for of, _ in files)]
    if missing:
        raise UserError(
            f"{place} holds no files {package.name}/{missing[0]}/CITY/*{package.suffix}: it is not the complete "
            f"official {package.archive}; download that from cityscapes-dataset.com"
        )
    return files


def _whole_scenes(
    labels: Mapping[tuple[str, str], _File], photos: Mapping[tuple[str, str], _File]
) -> list[tuple[str, str]]:
    """Return the scenes that have both a photo and a label map; log how many files are left out."""
    scenes = [scene for scene in photos if scene in labels]
    for split in _SPLITS:
        if not any(split == of for of, _ in scenes):
            raise UserError(
                f"no photo of {split} has label maps: {_PHOTOS.archive} and {_LABELS.archive} do not belong together; "
                "download both again"
            )
    for of, other, what in (
        (photos, labels, "photos have no label maps"),
        (labels, photos, "label maps have no photo"),
    ):
        alone = sum(scene not in other for scene in of)
        if alone:
            _LOG.info(f"{alone:,} {what} and are left out")
    return scenes


def _make_all(
    scenes: list[tuple[str, str]],
    labels: Files,
    photos: Files,
    partial: Path,
    size: tuple[int, int] | None,
) -> None:
    def make(scene: tuple[str, str]) -> None:
        split, name = _SPLITS[scene[0]], f"{scene[1]}.png"
        for domain, file, write in (("A", labels[scene], _write_labels), ("B", photos[scene], _write_photo)):
            path = partial / f"{split}{domain}" / name
            if not is_whole(path):  # a power failure may have left an empty file
                write(file, path, size)

    executor = ThreadPoolExecutor(os.cpu_count())
    logged = time.monotonic()
    try:
        futures = [executor.submit(make, scene) for scene in scenes]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            if time.monotonic() - logged > _LOG_SECONDS:
                logged = time.monotonic()
                _LOG.info(f"  {done:,} of {len(scenes):,} scenes")
    finally:
        # After an error or an interrupt, no new scene is started, and this waits for those that are being written.
        executor.shutdown(cancel_futures=True)


def _content(file: _File) -> bytes:
    try:
        return file.read()
    except Exception as error:  # zlib, zipfile and the file system each raise their own types for damage.
        raise UserError(f"{file.name} cannot be read ({error}): download the archive again") from error


def _write_labels(file: _File, path: Path, size: tuple[int, int] | None) -> None:
    ids = decode(_content(file), 1, file.name)
    if size is not None:
        ids = resize(ids, *size, nearest=True)
    images.save_png(path, _colors_of_ids()[ids[..., 0]])


def _write_photo(file: _File, path: Path, size: tuple[int, int] | None) -> None:
    content = _content(file)
    picture = open_picture(content, 3, file.name)  # raises for a damaged file, also for one that is then copied
    if size is not None:
        images.save_png(path, resize(picture, *size, nearest=False))
        return
    # As it is: to encode two megapixels again takes a second.
    write_atomically(path, content)


@functools.cache
def _colors_of_ids() -> UInt8[np.ndarray, "256 3"]:
    """Return the colour of every label id; ids that are not evaluated are black."""
    colors = np.zeros((256, 3), np.uint8)
    colors[list(_IDS)] = palette.color_array()
    return colors
