"""Video files: frames, times, sizes and sound survive reading and writing, and broken files give one sentence."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import video, video_writer
from tests.helpers import clips

UNEVEN = [0, 40, 100, 130, 300, 310, 500]
"""Times in thousandths of a second."""


def copy(source: Path, target: Path) -> list[str]:
    """Read and write a video; returns the sound that was left out."""
    with video.reading(source) as (clip, frames), video_writer.writing(target, clip) as writer:
        for frame in frames:
            writer.write(frame.pixels, frame)
    return writer.left_out


def sound_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio) if packet.size]


@pytest.mark.parametrize(("source", "target"), [("a.mkv", "b.mp4"), ("a.mp4", "b.mkv"), ("a.mp4", "b.mov")])
def test_times_and_sound_are_kept(tmp_path, source, target):
    frames = clips.street(len(UNEVEN))
    made = clips.save(tmp_path / source, frames, times=UNEVEN, sound="aac")
    assert copy(made, tmp_path / target) == []
    read, times = clips.load(tmp_path / target)
    # Matroska has no times below 0, where the sound of MP4 begins: FFmpeg shifts both alike.
    np.testing.assert_allclose(np.subtract(times, times[0]), np.divide(UNEVEN, 1000), atol=1e-9)
    assert np.abs(read.astype(int) - frames).mean() < 5  # half of the colours' resolution
    assert sound_of(tmp_path / target) == sound_of(made) != []
    assert {path.name for path in tmp_path.iterdir()} == {source, target}


def test_sound_that_a_container_does_not_hold_is_left_out(tmp_path):
    frames = clips.street(5)
    assert copy(clips.save(tmp_path / "a.mp4", frames, sound="aac"), tmp_path / "b.webm") == ["aac"]
    assert copy(clips.save(tmp_path / "a.mkv", frames, sound="libopus"), tmp_path / "b.mov") == ["opus"]
    assert len(clips.load(tmp_path / "b.webm")[0]) == len(clips.load(tmp_path / "b.mov")[0]) == 5


def test_a_phones_rotation_turns_the_frames_upright(tmp_path):
    frames = clips.street(3)
    made = clips.save(tmp_path / "a.mp4", frames, rotation=-90, sample_aspect_ratio=Fraction(4, 3))
    copy(made, tmp_path / "b.mp4")
    read, _ = clips.load(tmp_path / "b.mp4")
    clockwise = np.rot90(frames, -1, axes=(1, 2))
    assert np.abs(read.astype(int) - clockwise).mean() < 5
    with video.reading(tmp_path / "b.mp4") as (clip, written):
        assert clip.aspect == Fraction(3, 4)
        assert next(written).pixels.shape == (48, 32, 3)  # not turned a second time


@pytest.mark.parametrize(("size", "name", "form"), [((31, 47), "b.mp4", "yuv444p"), ((31, 47), "b.webm", "yuv420p")])
def test_odd_sizes_are_kept(tmp_path, size, name, form):
    copy(clips.save(tmp_path / "a.mp4", clips.street(3, size)), tmp_path / name)
    assert clips.load(tmp_path / name)[0].shape == (3, *size, 3)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].pix_fmt == form


def test_colours_stay(tmp_path):
    """An encoder that is not told how colours are encoded writes them for another matrix: greens shift by 20."""
    colours = np.array([[200, 40, 60], [30, 180, 70], [20, 60, 220], [128, 128, 128], [255, 255, 255], [0, 0, 0]])
    frames = np.stack([np.repeat(np.repeat(colours[None], 32, 0), 16, 1)] * 3).astype(np.uint8)
    copy(clips.save(tmp_path / "a.mp4", frames), tmp_path / "b.mp4")
    read, _ = clips.load(tmp_path / "b.mp4")
    assert np.abs(read[:, 8:24, 8::16].astype(int) - colours).max() <= 4
    with av.open(str(tmp_path / "b.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


def test_a_stream_without_times_follows_its_rate(tmp_path):
    with video.reading(clips.save(tmp_path / "a.h264", clips.street(4))) as (clip, frames):
        assert [frame.time * clip.time_base for frame in frames] == [Fraction(index, 25) for index in range(4)]


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    return path


def broken(folder: Path, kind: str) -> Path:
    path = folder / "broken.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (12, 32, 48, 3), dtype=np.uint8)
    if kind == "nothing":
        return path
    if kind == "text":
        path.write_text("no video")
    elif kind == "cut before its index":
        cut(clips.save(path, noise), 0.6)
    elif kind == "cut after its index":
        copy(clips.save(folder / "whole.mp4", noise), path)
        cut(path, 0.6)
    elif kind == "two sizes":
        first, second = (clips.save(folder / "a.h264", noise[:, :size, :size]).read_bytes() for size in (32, 16))
        path.write_bytes(first + second)
    elif kind == "sound alone":
        with av.open(str(path), "w") as container:
            clips.add_tone(container, container.add_stream("aac", 48000, layout="mono"), 0.2)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nothing", r"cannot be read \(No such file"),
        ("text", r"cannot be read \(Invalid data found .*\): give a whole one"),
        ("cut before its index", r"cannot be read \(Invalid data found .*\): give a whole one"),
        ("cut after its index", "(is damaged|ends after .* of its 12 frames): give a whole one"),
        ("two sizes", "changes from 32x32 to 16x16 pixels: convert it to one size"),
        ("sound alone", "holds no video: give a video file, or image files"),
    ],
)
def test_a_broken_video_gives_one_sentence(tmp_path, kind, message):
    path = broken(tmp_path, kind)
    with pytest.raises(UserError, match=f"broken.mp4 {message}"), video.reading(path) as (_, frames):
        list(frames)


def test_an_error_leaves_what_was_there(tmp_path):
    made, target = clips.save(tmp_path / "a.mp4", clips.street(4)), tmp_path / "b.mp4"
    target.write_text("before")
    with (
        pytest.raises(KeyboardInterrupt),
        video.reading(made) as (clip, frames),
        video_writer.writing(target, clip) as writer,
    ):
        frame = next(frames)
        writer.write(frame.pixels, frame)
        raise KeyboardInterrupt
    assert target.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "b.mp4"}
    with (
        pytest.raises(UserError, match=r"a.mp4/b.mp4 cannot be written \(.*\): give another --output"),
        video.reading(made) as (clip, frames),
        video_writer.writing(made / "b.mp4", clip),
    ):
        pass


def test_without_pyav_an_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with (
        pytest.raises(UserError, match=r"videos need the package av \(PyAV\): pip install 'cyclegan-jax\[video\]'"),
        video.reading(tmp_path / "a.mp4"),
    ):
        pass
