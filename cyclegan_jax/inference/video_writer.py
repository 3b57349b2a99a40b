"""Video files written through PyAV: translated frames at the times of their inputs, and the sound of the input."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from cyclegan_jax import files
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import video
from cyclegan_jax.inference.video import Clip, Frame, Pixels

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# The constant quality of each encoder at which one rarely sees a difference.
_H264: Final = ("libx264", {"crf": "18"})
_VP9: Final = ("libvpx-vp9", {"crf": "24", "b": "0", "row-mt": "1"})
_FORMATS: Final = {
    ".mp4": ("mp4", *_H264),
    ".m4v": ("mp4", *_H264),
    ".mov": ("mov", *_H264),
    ".mkv": ("matroska", *_H264),
    ".webm": ("webm", *_VP9),
}
"""FFmpeg's container, encoder and options by the ending of a file's name."""
ENDINGS: Final = tuple(_FORMATS)
"""Endings of the video files that are written."""
_BT709: Final = 1
"""FFmpeg's number of BT.709: as colour matrix, as primaries and as transfer function."""
_LIMITED: Final = 1
"""FFmpeg's number of the range of values that players expect: black is 16, white 235."""


class VideoWriter:
    """Encodes frames, and copies the sound of the source beside them.

    Attributes:
        left_out: the names of the codecs of sound that the container does not hold.
    """

    def __init__(self, container: "OutputContainer", path: Path, source: Clip, sound: "InputContainer"):
        """Add a stream for the video and one for each stream of sound; nothing is written yet.

        Args:
            container: where to write.
            path: its final path, whose ending chooses the encoder.
            source: the clip that is translated.
            sound: the container of the source, opened a second time.
        """
        self._av, self._container, self._source = video.pyav(), container, source
        self._video = self._video_stream(path)
        kept = [stream for stream in sound.streams.audio if _holds(_FORMATS[path.suffix.lower()][0], stream)]
        self.left_out = [stream.codec_context.name for stream in sound.streams.audio if stream not in kept]
        self._sound: dict[int, AudioStream] = {s.index: container.add_stream_from_template(s) for s in kept}
        self._packets = _packets(source.path, sound, kept)
        self._next = next(self._packets, None)

    def _video_stream(self, path: Path) -> "VideoStream":
        _, encoder, options = _FORMATS[path.suffix.lower()]
        if encoder not in self._av.codecs_available:
            raise UserError(f"this build of PyAV has no {encoder}, which writes {path.suffix}: install that of PyPI")
        rate = self._source.rate.limit_denominator(10**5)
        stream = cast("VideoStream", self._container.add_stream(encoder, rate, dict(options)))
        stream.height, stream.width = self._source.size
        # H.264 with half the colour resolution, which every player shows, has even sizes only.
        is_odd = encoder == "libx264" and any(side % 2 for side in self._source.size)
        stream.pix_fmt = "yuv444p" if is_odd else "yuv420p"
        context = stream.codec_context
        context.time_base = self._source.time_base
        context.sample_aspect_ratio = self._source.aspect
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        return stream

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Encode a picture of the clip's size in place of a frame, after the sound that is heard before."""
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        picture = picture.reformat(format=self._video.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
        picture.pts, picture.time_base, picture.duration = frame.time, self._source.time_base, frame.duration
        self._copy_sound(frame.time * self._source.time_base)
        self._container.mux(self._video.encode(picture))

    def finish(self) -> None:
        """Write what the encoder still holds, and the rest of the sound."""
        self._container.mux(self._video.encode(None))
        self._copy_sound(None)

    def _copy_sound(self, until: Fraction | None) -> None:
        """Copy the packets that begin before a time in seconds, or all that are left."""
        while self._next is not None:
            begin, packet = self._next
            if until is not None and begin > until:
                break
            packet.stream = self._sound[packet.stream_index]
            self._container.mux(packet)
            self._next = next(self._packets, None)


def _holds(form: str, stream: "AudioStream") -> bool:
    """Whether a container of FFmpeg takes a stream of sound as it is; it says so when it begins to write."""
    av = video.pyav()
    container = av.open(io.BytesIO(), "w", format=form)
    try:
        container.add_stream_from_template(stream)
        container.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    container.close()
    return True


def _packets(
    path: Path, container: "InputContainer", streams: "Sequence[AudioStream]"
) -> "Iterator[tuple[Fraction, Packet[Any]]]":
    """The packets of sound and when each begins, in seconds."""
    with video.one_sentence(path):
        for packet in container.demux(streams) if streams else ():
            if packet.dts is not None:  # at the end of each stream comes an empty packet, without a time
                yield packet.dts * packet.time_base, packet


@contextlib.contextmanager
def writing(path: Path, source: Clip) -> Iterator[VideoWriter]:
    """Yield the writer of a video; the file appears, whole and on the disk, when the block ends.

    After an error in the block, what was at its path stays. The video is H.264, or VP9 in WebM.

    Args:
        path: its ending is one of `ENDINGS`; folders are created.
        source: the clip whose times, size and sound it has.

    Raises:
        UserError: the file cannot be written.
    """
    av = video.pyav()
    form = _FORMATS[path.suffix.lower()][0]
    options = {"movflags": "faststart"} if form in ("mp4", "mov") else {}
    try:
        files.make_folder(path.parent)
        with (
            video.opened(source.path) as sound,
            files.replacing(path) as temporary,
            av.open(f"file:{temporary}", "w", format=form, options=options) as container,
        ):
            writer = VideoWriter(container, path, source, sound)
            yield writer
            writer.finish()
    except (OSError, av.FFmpegError) as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}): give another --output") from error
