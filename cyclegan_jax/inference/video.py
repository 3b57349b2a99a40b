"""Video files read through PyAV: frame by frame, upright and in RGB; `video_writer.py` writes them.

PyAV is the extra `video`, and is imported when a video is first opened.
"""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from jaxtyping import UInt8

from cyclegan_jax import files
from cyclegan_jax.errors import UserError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

Pixels: TypeAlias = UInt8[np.ndarray, "H W 3"]

_UNKNOWN_COLOURS: Final = 2
"""FFmpeg's number for a video that does not say how its colours are encoded."""
_HD: Final = 720
"""From this height on, players take the colours of such a video for BT.709, and below for BT.601."""


@dataclass(frozen=True)
class Frame:
    """One frame of a clip.

    Attributes:
        pixels: uint8 (H, W, 3), upright.
        time: when it is shown, in units of `Clip.time_base`.
        duration: how long, in the same units.
    """

    pixels: Pixels
    time: int
    duration: int


@dataclass(frozen=True)
class Clip:
    """A video file.

    Attributes:
        path: the file.
        time_base: the unit of its frames' times, seconds.
        rate: its frames per second on average.
        size: height and width of a frame, upright.
        aspect: a pixel's width by its height, upright.
    """

    path: Path
    time_base: Fraction
    rate: Fraction
    size: tuple[int, int]
    aspect: Fraction


def pyav() -> ModuleType:
    """PyAV's module `av`.

    Raises:
        UserError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise UserError("videos need the package av (PyAV): pip install 'cyclegan-jax[video]'") from error
    return av


@contextlib.contextmanager
def reading(path: Path) -> Iterator[tuple[Clip, Iterator[Frame]]]:
    """Open a video file; yields what it says about itself, and its frames, which are decoded one by one.

    Frames are turned upright as the file's rotation says, and converted to RGB of 8 bits per channel; transparency is
    dropped.

    Raises:
        UserError: PyAV is not installed, the file cannot be read, has no frames, is damaged, ends early, or changes the
            size of its frames. Damage and an early end are found while the frames are read.
    """
    with opened(path) as container:
        if not container.streams.video:
            raise UserError(f"{path} holds no video: give a video file, or image files")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        time_base = stream.time_base or 1 / rate
        decoded = _decoded(path, container, stream)
        first = next(decoded, None)
        if first is None:
            raise UserError(f"the video {path} has no frames: give a whole one")
        aspect = stream.sample_aspect_ratio or Fraction(1)
        upright = _upright(first).shape
        clip = Clip(path, time_base, rate, upright[:2], aspect if _quarters(first) % 2 == 0 else 1 / aspect)
        yield clip, _frames(clip, itertools.chain([first], decoded))


@contextlib.contextmanager
def opened(path: Path) -> Iterator["InputContainer"]:
    """Open a video file as FFmpeg's container; what reads from it within the block uses `one_sentence`.

    Raises:
        UserError: PyAV is not installed, or the file cannot be read.
    """
    av = pyav()
    with files.opened(path):  # a regular file, which this process may read
        pass
    with one_sentence(path):
        # As a file, whatever its name looks like; nor must a playlist inside make FFmpeg open anything else.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    with container:
        yield container


@contextlib.contextmanager
def one_sentence(path: Path) -> Iterator[None]:
    """Turn errors of FFmpeg about a file that is read in the block into a `UserError`."""
    try:
        yield
    except pyav().FFmpegError as error:
        raise UserError(f"the video {path} cannot be read ({error.strerror or error}): give a whole one") from error


def _decoded(path: Path, container: "InputContainer", stream: "VideoStream") -> Iterator["VideoFrame"]:
    packets = 0
    with one_sentence(path):
        for packet in container.demux(stream):
            packets += packet.size > 0
            for frame in packet.decode():
                if packet.is_corrupt or frame.is_corrupt:
                    raise UserError(f"the video {path} is damaged: give a whole one")
                yield frame
    # Of a file that was cut off FFmpeg reads what is left, without an error. MP4 and MOV state the number of frames;
    # the number in other containers may count what is no frame.
    if "mp4" in container.format.name and packets < stream.frames:
        raise UserError(f"the video {path} ends after {packets:,} of its {stream.frames:,} frames: give a whole one")


def _frames(clip: Clip, decoded: Iterator["VideoFrame"]) -> Iterator[Frame]:
    last = None
    usual = max(1, round(1 / clip.rate / clip.time_base))
    for frame in decoded:
        pixels = _upright(frame)
        if pixels.shape[:2] != clip.size:
            sizes = " to ".join(f"{width}x{height}" for height, width in (clip.size, pixels.shape[:2]))
            raise UserError(f"the video {clip.path} changes from {sizes} pixels: convert it to one size")
        duration = frame.duration or usual
        time = frame.pts
        if time is None or (last is not None and time <= last.time):  # unknown, or back in time
            time = 0 if last is None else last.time + last.duration
        last = Frame(pixels, time, duration)
        yield last


def _upright(frame: "VideoFrame") -> Pixels:
    unknown_hd = frame.colorspace == _UNKNOWN_COLOURS and frame.height >= _HD
    pixels = frame.to_ndarray(format="rgb24", src_colorspace="ITU709" if unknown_hd else None)
    return np.rot90(pixels, _quarters(frame))


def _quarters(frame: "VideoFrame") -> int:
    """Quarter turns to the left that turn a frame upright."""
    return round(frame.rotation / 90) % 4
