"""`cyclegan-jax translate` on a video."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import translate_video
from cyclegan_jax.inference.generator import Generator
from tests.helpers import clips, generators

NUMBER = 6
RGB = DataConfig(image_size=24, load_size=26)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return generators.ready({"blocks": 0}, data=RGB)


@pytest.fixture(scope="module")
def model(generator, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    generator.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    frames = clips.street(NUMBER)
    frames[NUMBER // 2 :, :, 24:] = 250  # a wall comes into sight
    return clips.save(tmp_path_factory.mktemp("clip") / "clip.mp4", frames, sound="aac")


def command(model: Path, *rest: str | Path) -> list[str]:
    return ["translate", "--run", str(model), *map(str, rest)]


def difference(path: Path, expected: list[np.ndarray]) -> float:
    """Mean absolute difference of a video from frames, averaged over blocks of 4x4 pixels, which encoding keeps."""
    frames = clips.load(path)[0].astype(float) - np.stack(expected)
    number, height, width, channels = frames.shape
    return float(np.abs(frames.reshape(number, height // 4, 4, width // 4, 4, channels).mean((2, 4))).mean())


def test_all_frames_are_normalised_alike_unless_told_otherwise(model, generator, clip, tmp_path, capsys):
    frames = list(clips.load(clip)[0])
    steady = generator.translate(frames, statistics=generator.clip_statistics(frames))
    single = generator.translate(frames)
    assert cli.main(command(model, "--input", clip, "--output", tmp_path / "steady.mp4")) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{NUMBER} frames translated to {tmp_path}/steady.mp4, ")
    assert said.endswith("s, by AtoB of step 7\n")
    assert cli.main(command(model, "--input", clip, "--output", tmp_path / "single.mp4", "--statistics=image")) == 0
    # The outputs of random weights are noise, which an encoder keeps within a few levels.
    assert 2 * difference(tmp_path / "steady.mp4", steady) < difference(tmp_path / "steady.mp4", single)
    assert 2 * difference(tmp_path / "single.mp4", single) < difference(tmp_path / "single.mp4", steady)


def test_frames_in_files_are_normalised_alike_on_demand(model, generator, clip, tmp_path):
    frames = list(clips.load(clip)[0])
    (tmp_path / "frames").mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "frames" / f"{index}.png")
    arguments = command(model, "--input", tmp_path / "frames", "--output", tmp_path / "out")
    assert cli.main([*arguments, "--statistics=clip"]) == 0
    expected = generator.translate(frames, statistics=generator.clip_statistics(frames))
    for index, frame in enumerate(expected):
        with Image.open(tmp_path / "out" / f"{index}.png") as made:
            np.testing.assert_array_equal(np.asarray(made), frame)


def test_frames_stream_in_batches_and_a_mask_holds_for_all(generator, clip, tmp_path):
    Image.fromarray(np.zeros(clips.SIZE, np.uint8)).save(tmp_path / "mask.png")
    seen: list[tuple[int, int]] = []
    summary = translate_video.translate_video(
        generator,
        clip,
        tmp_path / "out.mp4",
        steady=True,
        mask=tmp_path / "mask.png",
        batch_size=4,
        tile=None,
        max_size=None,
        progress=lambda *counts: seen.append(counts),
    )
    assert seen == [(4, 6), (6, 6)]
    assert summary.frames == NUMBER
    assert difference(tmp_path / "out.mp4", list(clips.load(clip)[0])) < 2


def test_a_folder_gets_the_inputs_name_and_nothing_is_replaced(model, clip, tmp_path, capsys):
    arguments = command(model, "--input", clip, "--output", tmp_path / "out", "--max_size=24")
    assert cli.main(arguments) == 0
    assert clips.load(tmp_path / "out" / "clip.mp4")[0].shape == (NUMBER, 16, 24, 3)
    capsys.readouterr()
    assert cli.main(arguments) == 2
    assert "out/clip.mp4 is there already: add --overwrite, or give another --output" in capsys.readouterr().err
    assert cli.main([*arguments, "--overwrite"]) == 0
    assert cli.main(command(model, "--input", clip, "--output", clip, "--overwrite")) == 2
    assert "would be replaced by its translation: give another --output" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("input", "output", "flags", "message"),
    [
        ("CLIP", "out.gif", [], ".gif is not written: give an --output that ends in one of .mp4, .m4v, .mov, .mkv"),
        ("none.mp4", "out.mp4", [], "there is no video at none.mp4: give a file"),
        ("FOLDER", "out.mp4", [], "is a folder, but --output is the video"),
        ("CLIP", "out.mp4", ["--gallery"], "--gallery is not for videos: leave"),
        ("CLIP", "out.mp4", ["--mask", "none.png"], "the mask none.png cannot be read (No such file"),
        ("CLIP", "out.mp4", ["--mask", "SMALL"], "small.png is 4x4 pixels, but"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(model, clip, tmp_path, capsys, input, output, flags, message):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "small.png")
    names = {"CLIP": str(clip), "FOLDER": str(tmp_path), "SMALL": str(tmp_path / "small.png")}
    flags = [names.get(flag, flag) for flag in flags]
    assert cli.main(command(model, "--input", names.get(input, input), "--output", tmp_path / output, *flags)) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["small.png"]


def test_models_of_more_bits_than_a_video_has_are_refused():
    translate_video.check_model(RGB)
    with pytest.raises(UserError, match="domain A of this model holds values from 0 to 4095, which a video of 8 bits"):
        translate_video.check_model(DataConfig(range_A=(0, 4095)))
    with pytest.raises(UserError, match="domain B of this model holds 5 bands, which a video of 8 bits"):
        translate_video.check_model(DataConfig(channels_B=5))
