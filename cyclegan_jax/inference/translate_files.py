"""`cyclegan-jax translate`: image files to image files, a whole folder at a time."""

import contextlib
import glob
import io
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.console import duration
from cyclegan_jax.data import high_depth, images, sources
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import gallery, user_images
from cyclegan_jax.inference.gallery import GalleryItem
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.inference.user_images import UserImage

Format = Literal["png", "jpg", "webp"]
_NAMED_AT_MOST = 10
_PIXELS_AT_ONCE = 2**24
"""Images are read and translated together up to so many pixels, beyond which memory and not speed is gained."""


@dataclass
class Summary:
    """What became of the files.

    Attributes:
        translated: how many were written.
        skipped: of each that was not, what was wrong with it.
        seconds: how long it took.
    """

    translated: int = 0
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """For the user, the count last."""
        lines = [f"skipped: {message}" for message in self.skipped[:_NAMED_AT_MOST]]
        if len(self.skipped) > _NAMED_AT_MOST:
            lines.append(f"skipped: {len(self.skipped) - _NAMED_AT_MOST} more")
        return [*lines, f"{self.translated:,} translated, {len(self.skipped):,} skipped, {duration(self.seconds)}"]


def plan(
    inputs: str, output: str | Path, *, format: Format | None, refuse: bool, kind: np.dtype[Any]
) -> dict[Path, Path]:
    """Which file becomes which: names and sub-folders are kept.

    Args:
        inputs: a file, a folder, whose images are taken with those in its sub-folders, or a pattern such as `a/*.jpg`.
        output: the folder for the results; where it is a sub-folder of the inputs, what is in it is no input.
        format: of the results; None keeps PNG, JPEG and WebP, and makes PNG of all others.
        refuse: whether it is a mistake that results are there already.
        kind: the type of the results' values: whole numbers of 16 bits become PNG, floats NumPy's .npy.

    Raises:
        UserError: there is nothing to translate, two inputs would become one file, a result would replace an input, a
            file is there already, or the format does not hold such values.
    """
    if format is not None and (kind == np.float32 or (kind == np.uint16 and format != "png")):
        raise UserError(
            f"--format is {format}, but this model makes {kind} values, which it does not hold: leave --format out"
        )
    base, files = _found(inputs, Path(output))
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
    inputs_there = {file.resolve() for file in files}
    for file, target in chosen.items():
        if target.resolve() in inputs_there:
            raise UserError(f"{file} would be replaced by a result: give an --output outside the folder of the inputs")
    there = [target for target in chosen.values() if target.exists()]
    if there and refuse:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UserError(
            f"{there[0]}{more} is there already: add --skip_existing to go on, or --overwrite, or give another --output"
        )
    return chosen


def translate_files(
    generator: Generator,
    chosen: dict[Path, Path],
    *,
    batch_size: int,
    tile: int,
    max_size: int | None,
    progress: Callable[[int, int], None],
) -> Summary:
    """Translate files that `plan` has chosen; those that cannot be read are left out and told.

    Args:
        generator: what translates.
        chosen: output by input.
        batch_size: images at once; of large images fewer, for memory's sake.
        tile: side of the tiles of large images.
        max_size: longer sides are scaled down to this first.
        progress: called with the number of files done and of all.

    Raises:
        UserError: an output cannot be written.
    """
    begin = time.monotonic()
    summary = Summary()
    source, _ = generator.domains
    ready: dict[Path, UserImage] = {}
    pixels = 0
    for done, file in enumerate(chosen, start=1):
        try:
            ready[file] = read(file, generator.config.data, source, max_size)
            pixels += _pixels(ready[file])
        except UserError as error:
            summary.skipped.append(str(error))
        if done == len(chosen) or len(ready) == 4 * batch_size or pixels >= _PIXELS_AT_ONCE:
            outputs = generator.translate(list(ready.values()), batch_size=batch_size, tile=tile)
            for input, output in zip(ready, outputs, strict=True):
                write(chosen[input], np.asarray(output))
                summary.translated += 1
            ready, pixels = {}, 0
            progress(done, len(chosen))
    summary.seconds = time.monotonic() - begin
    return summary


def _pixels(image: UserImage) -> int:
    return math.prod(image.size if isinstance(image, Image.Image) else image.shape[:2])


def read(file: Path, config: DataConfig, domain: Domain, max_size: int | None = None) -> UserImage:
    """An image file, upright: with its transparency, and all its bits where the domain's range is stated.

    Args:
        file: the image.
        config: the data config that the model was trained with.
        domain: which domain the image is of; label maps are scaled without making new colours.
        max_size: a longer side is scaled down to this many pixels.

    Raises:
        UserError: it cannot be read.
    """
    try:
        encoded = file.read_bytes()
    except OSError as error:
        raise UserError(f"the image {file} cannot be read ({error.strerror})") from error
    if config.value_range(domain) is None:
        values = np.asarray(images.open_picture(encoded, None, str(file)))
    else:
        values = high_depth.stored_values(encoded, str(file))
        # Refused here, where only this file is left out.
        user_images.to_model(values, config, domain, f"the image {file}")
    return _scaled_down(values, max_size, nearest=config.labels == domain)


def write(path: Path, values: npt.NDArray[Any]) -> None:
    """Write an image of (H, W) or (H, W, C), uint8, uint16 or float32, so that nobody ever sees half a file.

    Transparency that JPEG cannot hold is laid on white.

    Raises:
        UserError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(_encoded(values, path.suffix))
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}): give another --output") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def gallery_items(made: dict[Path, Path], back: Generator) -> Iterator[GalleryItem]:
    """For a gallery: each input, its output, and what the other generator makes of that; at the gallery's size.

    Args:
        made: output by input; those that are not there were skipped.
        back: the generator of the other direction.
    """
    config = back.config.data
    target, source = back.domains

    def shown(image: UserImage, domain: Domain) -> npt.NDArray[np.uint8]:
        return images.to_uint8(user_images.to_model(image, config, domain).pixels)

    base = Path(os.path.commonpath([file.parent for file in made]))
    for file, output in made.items():
        if output.exists():
            before = read(file, config, source, gallery.MAX_SIDE)
            after = read(output, config, target, gallery.MAX_SIDE)
            name = str(file.relative_to(base))
            yield GalleryItem(name, shown(before, source), shown(after, target), shown(back.translate(after), source))


def progress_line(done: int, total: int) -> None:
    """One line that is written over and over, on a terminal only."""
    if not sys.stderr.isatty():
        return
    width = 30
    filled = round(width * done / total)
    end = "\n" if done == total else ""
    print(f"\r[{'#' * filled}{' ' * (width - filled)}] {done:,}/{total:,}", end=end, file=sys.stderr, flush=True)


def _found(inputs: str, output: Path) -> tuple[Path, list[Path]]:
    path = Path(inputs)
    results = output.resolve()
    if path.is_dir():
        # The results of the last time are not translated once more.
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
    return file.is_file() and not file.name.startswith(".") and file.suffix.lower() in sources.EXTENSIONS


def _suffix(file: Path, format: Format | None, kind: np.dtype[Any]) -> str:
    if kind == np.float32:
        return ".npy"
    if format is not None:
        return f".{format}"
    return file.suffix if kind == np.uint8 and file.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp") else ".png"


def _scaled_down(values: npt.NDArray[Any], max_size: int | None, *, nearest: bool) -> npt.NDArray[Any]:
    height, width = values.shape[:2]
    if max_size is None or max(height, width) <= max_size:
        return values
    flat = values.ndim == 2
    values = values[..., None] if flat else values
    kind = values.dtype
    factor = max_size / max(height, width)
    size = max(1, round(height * factor)), max(1, round(width * factor))
    if kind != np.uint8:
        low, high = values.min(), values.max()
        values = np.clip(images.resize(values.astype(np.float32), *size, nearest=nearest), low, high).astype(kind)
    else:
        values = images.resize(values, *size, nearest=nearest)
    return values[..., 0] if flat else values


def _encoded(values: npt.NDArray[Any], suffix: str) -> bytes:
    stream = io.BytesIO()
    if suffix == ".npy":
        np.save(stream, values)
        return stream.getvalue()
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.dtype != np.uint8:
        return _deep_png(values)
    picture = Image.fromarray(values)
    kind = suffix.lower().lstrip(".")
    if kind in ("jpg", "jpeg"):
        if picture.mode in ("LA", "RGBA"):
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
        picture.save(stream, "JPEG", quality=95)
    elif kind == "webp":
        picture.save(stream, "WEBP", quality=95)
    else:
        picture.save(stream, "PNG")
    return stream.getvalue()


def _deep_png(values: npt.NDArray[Any]) -> bytes:
    if values.ndim == 2:
        stream = io.BytesIO()
        Image.fromarray(values).save(stream, "PNG")
        return stream.getvalue()
    try:
        import imagecodecs
    except ImportError as error:
        raise UserError(
            "16 bits a colour channel need the package imagecodecs: pip install 'cyclegan-jax[highdepth]'"
        ) from error
    return bytes(imagecodecs.png_encode(values))
