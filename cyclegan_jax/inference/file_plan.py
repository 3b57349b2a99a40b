"""Planning a translation of files: which image file becomes which."""

import os
import tempfile
import unicodedata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cyclegan_jax.data.dataset import EXTENSIONS
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import exists, is_dir
from cyclegan_jax.inference import file_patterns

Format = Literal["png", "jpg", "webp"]
_KEPT_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def plan(
    inputs: str, output: str | Path, *, format: Format | None, refuse: bool, kind: np.dtype[Any]
) -> dict[Path, Path]:
    """Choose the output file of each input file; names and sub-folders are kept.

    Args:
        inputs: a file; a folder, whose images are taken with those in its sub-folders; or a pattern such as `a/*.jpg`.
        output: the folder for the results. Where it lies inside the folder of the inputs, its files are not inputs.
        format: the format of the results; None keeps PNG, JPEG and WebP, and turns all others into PNG.
        refuse: whether to raise an error where a result exists already.
        kind: the dtype of the results: uint16 is written as PNG, float32 as NumPy's .npy.

    Returns:
        Output file by input file.

    Raises:
        UserError: there is nothing to translate, two inputs would become one file, a result would replace an input or
            be written outside `output` through a link, a result exists already, or the format cannot hold the dtype.
    """
    if format is not None and (kind == np.float32 or (kind == np.uint16 and format != "png")):
        raise UserError(
            f"--format is {format}, but this model makes {kind} values, which it does not hold: leave --format out"
        )
    base, files = _find_images(inputs, Path(output))
    chosen = {file: Path(output) / file.relative_to(base).with_suffix(_suffix(file, format, kind)) for file in files}
    _check_targets(chosen, Path(output))
    resolved_inputs = {file.resolve() for file in files}
    for file, target in chosen.items():
        if target.resolve() in resolved_inputs:
            raise UserError(f"{file} would be replaced by a result: give an --output outside the folder of the inputs")
    existing = [target for target in chosen.values() if target.exists()]
    if existing and refuse:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UserError(
            f"{existing[0]}{more} is there already: add --skip_existing to continue, or --overwrite, or give another "
            "--output"
        )
    return chosen


def _find_images(inputs: str, output: Path) -> tuple[Path, list[Path]]:
    """The folder that all inputs are in, and the inputs."""
    path = Path(inputs)
    results = output.resolve()
    if path.is_dir():
        # The same command can be run again: results inside the folder are not translated a second time. Unless the
        # results go into the folder itself, where inputs and results cannot be told apart.
        inside = path.resolve() in results.parents
        found = sorted(file for file in path.rglob("*") if _is_image(file))
        files = [file for file in found if not (inside and results in file.resolve().parents)]
        base = path
    elif path.is_file():
        base, files = path.parent, [path]
    else:
        files = sorted(file for file in file_patterns.matching(inputs) if _is_image(file))
        base = _common_folder(files) if files else path
        if any(".." in file.relative_to(base).parts for file in files):
            # The pattern `*/../x.png` names one file once for each folder that `*` matches, and `output / ".."` would
            # be outside the output.
            files = sorted({file.parent.resolve() / file.name for file in files})
            base = _common_folder(files)
    if not files:
        raise UserError(
            f"there is no image at {inputs}: give a file, a folder or a quoted pattern such as 'photos/*.jpg'"
        )
    return base, files


def _common_folder(files: list[Path]) -> Path:
    return Path(os.path.commonpath([file.parent for file in files]))


def _check_targets(chosen: dict[Path, Path], output: Path) -> None:
    """Raise a `UserError` if two results would be one file, or one would be written elsewhere through a link."""
    root = output.resolve()
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
    while not is_dir(folder):
        folder = folder.parent
    try:
        with tempfile.NamedTemporaryFile(prefix=".case-", dir=folder) as probe:
            return exists(folder / Path(probe.name).name.swapcase())
    except OSError:  # not writable, which writing the results reports
        return False


def _is_image(file: Path) -> bool:
    # What is no regular file, such as a FIFO, is taken as well: reading it reports that it cannot be read.
    return not is_dir(file) and not file.name.startswith(".") and file.suffix.lower() in EXTENSIONS


def _suffix(file: Path, format: Format | None, kind: np.dtype[Any]) -> str:
    if kind == np.float32:
        return ".npy"
    if format is not None:
        return f".{format}"
    return file.suffix if kind == np.uint8 and file.suffix.lower() in _KEPT_SUFFIXES else ".png"
