"""`cyclegan-jax translate` on a video: frame by frame, with one set of instance-norm statistics against flicker."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig
from cyclegan_jax.console import duration
from cyclegan_jax.data import images
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import clip_statistics, image_files, masks, video, video_writer
from cyclegan_jax.inference.any_size import LayerStatistics, images_at_once
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.inference.video import Frame, Pixels

READ: Final = (*video_writer.ENDINGS, ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv")
"""File name endings by which an input counts as a video."""


@dataclass(frozen=True)
class Summary:
    """The result of translating a video.

    Attributes:
        path: the file that was written.
        frames: how many frames it has.
        left_out: the codecs of sound that its container does not hold.
        seconds: how long it took.
    """

    path: Path
    frames: int
    left_out: list[str]
    seconds: float

    def lines(self, model: str) -> list[str]:
        """Lines to print; `model` says by which model the video was translated."""
        sound = [f"without the sound: {self.path.suffix} does not hold {name}" for name in self.left_out]
        return [*sound, f"{self.frames:,} frames translated to {self.path}, {duration(self.seconds)}, {model}"]


def is_video(input: str, output: Path) -> bool:
    """Whether a translation is one of a video, by the endings of the files' names."""
    path = Path(input)
    is_read = path.suffix.lower() in READ and not files.is_dir(path)
    return is_read or output.suffix.lower() in video_writer.ENDINGS


def plan(input: str, output: Path, *, overwrite: bool) -> tuple[Path, Path]:
    """Choose the file that a video is translated to.

    Args:
        input: a video file.
        output: a video file, or a folder for one of the input's name; one that is only read, such as AVI, becomes MP4.
        overwrite: whether the result may exist.

    Raises:
        UserError: there is no such file, the result exists already, would replace the input, or has an ending for which
            no encoder is chosen.
    """
    path = Path(input)
    with files.naming("--input"):
        if files.is_dir(path):
            raise UserError(f"{path} is a folder, but --output is the video {output}: give one video file, or a folder")
        if not files.exists(path):
            raise UserError(f"there is no video at {path}: give a file")
    endings = ", ".join(video_writer.ENDINGS)
    target = output
    if output.suffix.lower() not in video_writer.ENDINGS:
        if output.suffix.lower() in (*READ, ".gif") and not files.is_dir(output):
            raise UserError(f"{output.suffix} is not written: give an --output that ends in one of {endings}")
        ending = path.suffix if path.suffix.lower() in video_writer.ENDINGS else ".mp4"
        target = output / path.with_suffix(ending).name
    with files.naming("--output"):
        if files.exists(target):
            if os.path.realpath(target) == os.path.realpath(path):
                raise UserError(f"{path} would be replaced by its translation: give another --output")
            if not overwrite:
                raise UserError(f"{target} is there already: add --overwrite, or give another --output")
    return path, target


def check_model(config: DataConfig) -> None:
    """Check that a model translates frames of videos, which hold 8 bits per channel.

    Raises:
        UserError: it was trained on a stated range of values, or on bands.
    """
    for domain in ("A", "B"):
        limits = config.value_range(domain)
        if limits is not None or config.has_bands(domain):
            kind = (
                f"{config.channels(domain)} bands" if limits is None else f"values from {limits[0]:g} to {limits[1]:g}"
            )
            raise UserError(
                f"domain {domain} of this model holds {kind}, which a video of 8 bits per channel does not: translate "
                "image files"
            )


def translate_video(
    generator: Generator,
    path: Path,
    target: Path,
    *,
    steady: bool,
    mask: Path | None,
    batch_size: int | None,
    tile: int | None,
    max_size: int | None,
    progress: Callable[[int, int], None],
) -> Summary:
    """Translate a video; memory holds a few of its frames.

    The clip is decoded twice. The first time, which takes little of the time, its frames are counted, damage is found
    before the translation, and the frames for the statistics are chosen.

    Args:
        generator: the generator.
        path: the video.
        target: the file to write, from `plan`.
        steady: whether the instance norms normalise all frames by the same statistics.
        mask: where to translate, the same in all frames; None is everywhere.
        batch_size: the most frames at once; None chooses the faster number.
        tile: side of the tiles of large frames, pixels; see `Generator.translate`.
        max_size: longer sides are scaled down to this many pixels first.
        progress: called with the number of frames done and of all.

    Raises:
        UserError: the video cannot be read, its model or its mask does not fit it, or the result cannot be written.
    """
    begin = time.monotonic()
    check_model(generator.config.data)
    if mask is not None:
        masks.check_domains(generator.config.data, *generator.domains)
    number, statistics = _survey(generator, path, max_size, steady=steady)
    nearest = _nearest(generator)
    with video.reading(path) as (clip, frames):
        size = image_files.scaled_size(clip.size, max_size)
        shares = None if mask is None else masks.read_for(path, size, mask, max_size)
        with video_writer.writing(target, replace(clip, size=size)) as writer:
            done = 0
            for batch in _batches(frames, images_at_once(size, batch_size)):
                outputs = generator.translate(
                    [image_files.scaled_down(frame.pixels, max_size, nearest=nearest) for frame in batch],
                    batch_size=batch_size,
                    tile=tile,
                    mask=None if shares is None else [shares] * len(batch),
                    statistics=statistics,
                )
                for frame, output in zip(batch, outputs, strict=True):
                    writer.write(images.to_rgb(np.asarray(output)), frame)
                done += len(batch)
                progress(done, number)
    return Summary(target, done, writer.left_out, time.monotonic() - begin)


def _survey(
    generator: Generator, path: Path, max_size: int | None, *, steady: bool
) -> tuple[int, LayerStatistics | None]:
    """Read a video to its end: the number of its frames and, if it shall be steady, its statistics."""
    number = 0

    def counted(frames: Iterator[Frame]) -> Iterator[Pixels]:
        nonlocal number
        for frame in frames:
            number += 1
            yield image_files.scaled_down(frame.pixels, max_size, nearest=_nearest(generator))

    with video.reading(path) as (clip, frames):
        size = image_files.scaled_size(clip.size, max_size)
        picked = clip_statistics.sampled(counted(frames), clip_statistics.frames_at_once(size))
    return number, generator.clip_statistics(picked) if steady else None


def _nearest(generator: Generator) -> bool:
    """Whether frames are scaled without new colours, as label maps are."""
    return generator.config.data.labels == generator.domains[0]


def _batches(frames: Iterator[Frame], number: int) -> Iterator[list[Frame]]:
    while batch := list(itertools.islice(frames, number)):
        yield batch
