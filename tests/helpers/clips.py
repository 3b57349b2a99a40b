"""Small video files for tests, made with PyAV."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

SIZE = (32, 48)


def street(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Frames (T, H, W, 3) of a smooth picture over which a bright square moves."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows * 200 // height + 20, columns * 160 // width + 40, 180 - rows * 100 // height], axis=2)
    frames = np.stack([picture] * number).astype(np.uint8)
    for index, frame in enumerate(frames):
        frame[height // 4 : height // 2, 3 * index : 3 * index + 12] = 250
    return frames


def save(
    path: Path,
    frames: np.ndarray,
    *,
    times: list[int] | None = None,
    rate: int = 25,
    codec: str = "libx264",
    rotation: int = 0,
    sound: str | None = None,
    **attributes: Any,
) -> Path:
    """Write frames (T, H, W, 3) almost without loss.

    Args:
        path: the file.
        frames: uint8.
        times: when each is shown, in thousandths of a second; None follows `rate`.
        rate: frames per second.
        codec: an encoder of FFmpeg.
        rotation: degrees to the left by which players turn the picture.
        sound: an encoder of a tone as long as the video; None writes no sound.
        attributes: further attributes of the encoder.
    """
    options = {"crf": "1"} if codec in ("libx264", "libvpx-vp9") else {}
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate, options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = attributes.pop("pix_fmt", "yuv444p" if codec == "libx264" else "yuv420p")
        stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in attributes.items():
            setattr(stream.codec_context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        tone: Any = container.add_stream(sound, 48000, layout="mono") if sound else None
        for index, pixels in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            picture.pts, picture.time_base = (times[index] if times else index * 1000 // rate), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if sound:
            add_tone(container, tone, len(frames) / rate)
    return path


def add_tone(container: Any, stream: Any, seconds: float) -> None:
    """Encode a tone into a stream of sound."""
    wave = np.sin(np.arange(int(48000 * seconds)) / 20).astype(np.float32)[None]
    for start in range(0, wave.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(wave[:, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def load(path: Path) -> tuple[np.ndarray, list[float]]:
    """The frames of a video as stored, not turned, and when each is shown, in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [float(frame.time) for frame in frames]
