"""Planning a translation of files: which image file becomes which."""

import glob
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cyclegan_jax.data.dataset import EXTENSIONS
from cyclegan_jax.errors import UserError

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
        UserError: there is nothing to translate, two inputs would become one file, a result would replace an input, a
            result exists already, or the format cannot hold the dtype.
    """
    if format is not None and (kind == np.float32 or (kind == np.uint16 and format != "png")):
        raise UserError(
            f"--format is {format}, but this model makes {kind} values, which it does not hold: leave --format out"
        )
    base, files = _find_images(inputs, Path(output))
    chosen: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for file in files:
        target = Path(output) / file.relative_to(base).with_suffix(_suffix(file, format, kind))
        if target in taken:
            raise UserError(
                f"{taken[target]} and {file} would both become {target}: translate them to different folders"
            )
        taken[target] = file
        chosen[file] = target
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
        # Path.glob takes no absolute pattern.
        matches = map(Path, glob.glob(inputs, recursive=True))  # noqa: PTH207
        files = sorted(file for file in matches if _is_image(file))
        base = Path(os.path.commonpath([file.parent for file in files])) if files else path
    if not files:
        raise UserError(
            f"there is no image at {inputs}: give a file, a folder or a quoted pattern such as 'photos/*.jpg'"
        )
    return base, files


def _is_image(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.suffix.lower() in EXTENSIONS


def _suffix(file: Path, format: Format | None, kind: np.dtype[Any]) -> str:
    if kind == np.float32:
        return ".npy"
    if format is not None:
        return f".{format}"
    return file.suffix if kind == np.uint8 and file.suffix.lower() in _KEPT_SUFFIXES else ".png"
