"""`cyclegan-jax translate`: translate image files, a few at a time, and collect them for a gallery."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.console import duration
from cyclegan_jax.data import bands, images
from cyclegan_jax.data.skipped import NAMED_AT_MOST
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import gallery, image_files, masks, user_images
from cyclegan_jax.inference.any_size import DEFAULT_BATCH, LayerStatistics
from cyclegan_jax.inference.clip_statistics import frames_at_once, sampled
from cyclegan_jax.inference.gallery import GalleryItem
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.inference.masks import Mask
from cyclegan_jax.inference.user_images import UserImage

_PIXELS_AT_ONCE = 2**24
"""Files are read until they have this many pixels, then translated: larger groups take memory and save no time."""


@dataclass
class Summary:
    """The result of translating files.

    Attributes:
        translated: how many were written.
        skipped: the error message of each file that was not.
        seconds: how long it took.
    """

    translated: int = 0
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """Lines to print, the counts last."""
        lines = [f"skipped: {message}" for message in self.skipped[:NAMED_AT_MOST]]
        if len(self.skipped) > NAMED_AT_MOST:
            lines.append(f"skipped: {len(self.skipped) - NAMED_AT_MOST} more")
        return [*lines, f"{self.translated:,} translated, {len(self.skipped):,} skipped, {duration(self.seconds)}"]


def translate_files(
    generator: Generator,
    chosen: dict[Path, Path],
    *,
    batch_size: int | None,
    tile: int | None,
    max_size: int | None,
    progress: Callable[[int, int], None],
    mask_of: Mapping[Path, Path] | None = None,
    statistics: LayerStatistics | None = None,
) -> Summary:
    """Translate files; those that cannot be read are skipped, with their error in the summary.

    Args:
        generator: the generator.
        chosen: output file by input file, the `chosen` of a `file_plan.Plan`.
        batch_size: the most images at once; large images are translated in smaller batches to save memory. None
            chooses the faster number, see `any_size.images_at_once`.
        tile: side of the tiles of large images, pixels; None is the default, see `Generator.translate`.
        max_size: longer sides are scaled down to this many pixels first.
        progress: called with the number of files done and of all.
        mask_of: the file of the mask by output file, from `masks.find`; None translates everywhere.
        statistics: one set of instance-norm statistics for all images, see `clip_statistics`.

    Raises:
        UserError: an output cannot be written, or the model cannot mix its inputs and outputs by masks.
    """
    begin = time.monotonic()
    summary = Summary()
    config, (source, target) = generator.config.data, generator.domains
    if mask_of is not None:
        masks.check_domains(config, source, target)
    ready: dict[Path, UserImage] = {}
    given: list[Mask] = []
    pixels = 0
    for done, file in enumerate(chosen, start=1):
        try:
            values = image_files.read(file, config, source, max_size)
            if mask_of is not None:
                given.append(masks.read_for(file, np.shape(values)[:2], mask_of[chosen[file]], max_size))
            ready[file] = values
            pixels += math.prod(values.shape[:2])
        except UserError as error:
            summary.skipped.append(str(error))
        # Several batches are read together, so that images of one size can share a batch.
        if done == len(chosen) or len(ready) == 4 * (batch_size or DEFAULT_BATCH) or pixels >= _PIXELS_AT_ONCE:
            outputs = generator.translate(
                list(ready.values()),
                batch_size=batch_size,
                tile=tile,
                mask=None if mask_of is None else given,
                statistics=statistics,
            )
            with image_files.writing_together() as write:
                for input, output in zip(ready, outputs, strict=True):
                    write(chosen[input], np.asarray(output))
            summary.translated += len(ready)
            ready, given, pixels = {}, [], 0
            progress(done, len(chosen))
    summary.seconds = time.monotonic() - begin
    return summary


def clip_statistics(generator: Generator, chosen: dict[Path, Path], max_size: int | None) -> LayerStatistics:
    """One set of instance-norm statistics for image files that are the frames of a clip, from some of them.

    Args:
        generator: the generator.
        chosen: as for `translate_files`.
        max_size: as for `translate_files`.

    Raises:
        UserError: none of these files can be read, or they differ in size.
    """

    def readable(files: Iterable[Path]) -> Iterator[UserImage]:
        for file in files:  # the translation names those that cannot be read
            with contextlib.suppress(UserError):
                yield image_files.read(file, generator.config.data, generator.domains[0], max_size)

    first = next(readable(chosen), None)
    if first is None:
        raise UserError("--statistics is clip, but none of the images can be read: give other images")
    height, width = np.asarray(first).shape[:2]
    most = frames_at_once((height, width))
    return generator.clip_statistics(list(readable(sampled(chosen, most))) or [first])


def gallery_items(
    made: dict[Path, Path], forward: Generator, back: Generator | None, progress: Callable[[int, int], None]
) -> Iterator[GalleryItem]:
    """Yield each input, its output, and the translation back by the other generator, at the gallery's size.

    Args:
        made: output file by input file; outputs that do not exist were skipped.
        forward: the generator that made them.
        back: the generator of the other direction; None where there is none, and then there are no reconstructions.
        progress: called with the number of files done and of all.
    """
    config = forward.config.data
    source, target = forward.domains

    base = Path(os.path.commonpath([file.parent for file in made]))
    for done, (file, output) in enumerate(made.items(), start=1):
        if files.exists(output):
            before = image_files.read(file, config, source, gallery.MAX_SIDE)
            after = image_files.read(output, config, target, gallery.MAX_SIDE)
            reconstruction = None if back is None else _shown(back.translate(after), config, source)
            name = str(file.relative_to(base))
            yield GalleryItem(name, _shown(before, config, source), _shown(after, config, target), reconstruction)
        progress(done, len(made))


def _shown(image: UserImage, config: DataConfig, domain: Domain) -> UInt8[np.ndarray, "H W C"]:
    """An image of a domain as 8 bits, with its transparency."""
    ready = user_images.to_model(image, config, domain)
    pixels = bands.picture(images.to_uint8(ready.pixels), config, domain)
    if ready.alpha is None or pixels.shape[2] == 4:
        return pixels
    return np.concatenate([pixels, np.rint(255 * ready.alpha).astype(np.uint8)], axis=2)
