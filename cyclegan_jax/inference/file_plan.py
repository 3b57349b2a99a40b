"""Planning a translation of files: which image file becomes which."""

import glob
import itertools
import os
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cyclegan_jax import files
from cyclegan_jax.data.dataset import SLIDE_EXTENSIONS
from cyclegan_jax.data.walk import Found, walk
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import file_patterns, tiff_windows
from cyclegan_jax.inference.image_files import TIFF

Format = Literal["png", "jpg", "webp"]
_KEPT_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_NAME_BYTES = 255
"""The longest file name that Linux and macOS allow."""


@dataclass(frozen=True)
class Plan:
    """Which image file becomes which.

    Attributes:
        chosen: output file by input file.
        left_out: the reason for leaving a file or folder of the inputs out, by its path.
        huge: those inputs that are translated window by window, see `tiff_windows.is_huge`.
    """

    chosen: dict[Path, Path]
    left_out: dict[Path, str]
    huge: frozenset[Path] = frozenset()


def plan(
    inputs: str,
    output: str | Path,
    *,
    format: Format | None,
    refuse: bool,
    kind: np.dtype[Any],
    bands: bool = False,
    windows: bool = True,
) -> Plan:
    """Choose the output file of each input file; names and sub-folders are kept.

    Args:
        inputs: a file; a folder, whose images are taken with those in its sub-folders; or a pattern such as `a/*.jpg`.
        output: the folder for the results. Where it lies inside the folder of the inputs, its files are not inputs. For
            one huge TIFF file it may also be the result's path, with the ending .tif or .tiff.
        format: the format of the results; None keeps PNG, JPEG and WebP, and turns all others into PNG. Huge TIFF files
            become TIFF files.
        refuse: whether to raise an error where a result exists already.
        kind: the dtype of the results: uint16 is written as PNG, float32 as NumPy's .npy.
        bands: whether the results have bands: TIFF files become TIFF files with a page per band, all others .npy.
        windows: whether huge TIFF files are read window by window. Not those of bands, which have a page for each.

    Raises:
        UserError: there is nothing to translate, two inputs would become one file, a result would replace an input or
            be written outside `output` through a link, a result exists already or would have too long a name, the
            format cannot hold the dtype, or the system does not let this process read a folder.
    """
    if format is not None and (kind == np.float32 or (kind == np.uint16 and format != "png")):
        raise UserError(
            f"--format is {format}, but this model makes {kind} values, which it does not hold: leave --format out"
        )
    if format is not None and bands:
        raise UserError(f"--format is {format}, but this model makes bands, which it does not hold: leave --format out")
    with files.naming("--input"):
        base, found = _find_images(inputs, Path(output))
    huge = frozenset(file for file in found.images if windows and tiff_windows.is_huge(file))
    suffixes = {
        file: _huge_suffix(file) if file in huge else _suffix(file, format, kind, bands) for file in found.images
    }
    folder = Path(output)
    with files.naming("--output"):
        if huge == set(found.images) and len(huge) == 1 and _is_tiff(folder) and not files.is_dir(folder):
            chosen, folder = dict.fromkeys(huge, folder), folder.parent
        else:
            chosen = {file: _target(file, folder / file.relative_to(base), suffixes[file]) for file in found.images}
        _check_places(chosen, folder)
        _check_existing(chosen, refuse=refuse)
    return Plan(chosen, found.left_out, huge)


def _target(file: Path, place: Path, suffix: str) -> Path:
    """Return the path of the result of `file`, whose path in the output with its own suffix is `place`."""
    target = place.with_suffix(suffix)
    if len(os.fsencode(target.name)) > _NAME_BYTES:
        raise UserError(
            f"{file} would become {target.name}, whose name is longer than the {_NAME_BYTES} bytes that a file "
            "name may have: rename it, or leave --format out"
        )
    return target


def _check_existing(chosen: dict[Path, Path], *, refuse: bool) -> None:
    """Raise a `UserError` where a result would replace an input or, if `refuse`, any file."""
    existing = {target: file for file, target in chosen.items() if files.exists(target)}
    inputs = {os.path.realpath(file) for file in chosen} if existing else set()
    replaced = next((file for target, file in existing.items() if os.path.realpath(target) in inputs), None)
    if replaced is not None:
        raise UserError(f"{replaced} would be replaced by a result: give an --output outside the folder of the inputs")
    if existing and refuse:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UserError(
            f"{next(iter(existing))}{more} is there already: add --skip_existing to continue, or --overwrite, or give "
            "another --output"
        )


def _find_images(inputs: str, output: Path) -> tuple[Path, Found]:
    """Return the folder that all inputs are in, and the inputs."""
    path = Path(inputs)
    if files.is_dir(path):
        # The same command can be run again: results inside the folder are not translated a second time. Unless the
        # results go into the folder itself, where inputs and results cannot be told apart.
        base, found = path, walk(path, results=output, also=SLIDE_EXTENSIONS)
    elif files.exists(path):  # reading what is no regular file, such as a FIFO, reports it
        base, found = path.parent, Found([path])
    elif glob.has_magic(inputs):
        base, found = _matches(inputs)
    else:
        base, found = path, Found()
    if not found.images:
        line = found.line()
        raise UserError(
            f"there is no image at {inputs}{f' ({line})' if line else ''}: give a file, a folder or a quoted pattern "
            "such as 'photos/*.jpg'"
        )
    return base, found


def _matches(pattern: str) -> tuple[Path, Found]:
    """Return the folder that all files of a pattern are in, and the files."""
    found = Found(also=SLIDE_EXTENSIONS)
    # glob takes a folder that it may not list for an empty one.
    files.entries(_fixed_part(pattern))
    for file in sorted(file_patterns.matching(pattern)):
        if not files.is_dir(file):
            found.add(file)
    if not found.images:
        return Path(pattern), found
    base = _common_folder(found.images)
    if any(".." in file.relative_to(base).parts for file in found.images):
        # The pattern `*/../x.png` names one file once for each folder that `*` matches, and `output / ".."` would be
        # outside the output.
        found.images = sorted({file.parent.resolve() / file.name for file in found.images})
        base = _common_folder(found.images)
    return base, found


def _fixed_part(pattern: str) -> Path:
    """Return the folder of a pattern before its first part with a wildcard."""
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts[:-1]))


def _common_folder(images: list[Path]) -> Path:
    return Path(os.path.commonpath([file.parent for file in images]))


def _check_places(chosen: dict[Path, Path], output: Path) -> None:
    """Raise a `UserError` if two results would be one file, or one would be written elsewhere through a link."""
    root = _resolved(output)
    taken: dict[Path, Path] = {}
    folded: dict[str, Path] = {}
    for file, target in chosen.items():
        place = _resolved(target)
        if root not in place.parents:
            raise UserError(
                f"{file} would become {target}, which a link leads to {place}, outside the folder of the results: "
                "delete the link, or give another --output"
            )
        # macOS and Windows keep two names that differ in case, or in how an accent is encoded, as one file.
        text = unicodedata.normalize("NFC", str(place)).casefold()
        other = taken.get(place) or (folded.get(text) if text in folded and _ignores_case(output) else None)
        if other is not None:
            raise UserError(f"{other} and {file} would both become {target}: translate them to different folders")
        taken[place] = folded[text] = file


def _resolved(target: Path) -> Path:
    try:
        return target.resolve()
    except (OSError, RuntimeError) as error:  # Python 3.11 and 3.12 raise RuntimeError for links in a circle
        raise UserError(f"{target} is a link in a circle: delete it, or give another --output") from error


def _ignores_case(folder: Path) -> bool:
    """Whether the file system of a folder, which need not exist yet, keeps names that differ in case as one file."""
    while not files.is_dir(folder):
        folder = folder.parent
    try:
        with tempfile.NamedTemporaryFile(prefix=".case-", dir=folder) as probe:
            return files.exists(folder / Path(probe.name).name.swapcase())
    except OSError:  # not writable, which writing the results reports
        return False


def _suffix(file: Path, format: Format | None, kind: np.dtype[Any], bands: bool) -> str:
    if bands:
        return file.suffix if _is_tiff(file) else ".npy"
    if kind == np.float32:
        return ".npy"
    if format is not None:
        return f".{format}"
    return file.suffix if kind == np.uint8 and file.suffix.lower() in _KEPT_SUFFIXES else ".png"


def _huge_suffix(file: Path) -> str:
    return file.suffix if _is_tiff(file) else ".tif"


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in TIFF
