"""How much a translated clip flickers, with the instance norms' statistics of each frame and with one set for the clip.

    python -m benchmarks.video_flicker --run runs/streets --size 256

Without `--run` the model is vintagify's, a ResNet of 9 blocks that turns photos into vintage ones, downloaded as by
`benchmarks/imported_model.py`. The clips are drawn from street scenes, and each is known pixel by pixel: where nothing
changes in the input, each change of the output is flicker. The figure is the mean absolute difference between
successive frames, in gray levels of 255, over the pixels whose input is the same in both; the input's own figure is the
control. In the last clip everything changes, and the figure shows how far the output follows. The last line is JSON.
`--pictures FOLDER` writes the clips for looking at them.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cyclegan_jax.devices import backend

backend.set_xla_flags()

from cyclegan_jax.data.streets.scene import draw_scene
from cyclegan_jax.inference.generator import Generator, load_generator

Frames = npt.NDArray[np.uint8]
"""(T, H, W, 3)"""
_SHIFT = 4
"""Pixels that the camera moves per frame: a multiple of the generator's stride, so that its grid moves along."""
_NEAR = 16
"""Pixels beside something that changes, which are left out: the generator sees it from there."""


@dataclass(frozen=True)
class Clip:
    """A clip, and which of its pixels a perfect translation leaves as they were in the frame before.

    Attributes:
        frames: (T, H, W, 3).
        still: (T - 1, H, W) whether the pixel and its surroundings do not change from frame t to t + 1.
        shift: pixels by which the picture moves to the left per frame.
    """

    frames: Frames
    still: npt.NDArray[np.bool_]
    shift: int = 0


def passing(size: int, number: int) -> Clip:
    """A still camera, and a bright wall that passes by: a bus, for example."""
    street = draw_scene(3, size).photo
    width, top, bottom = size // 2, size // 4, size - size // 8
    places = np.linspace(-width, size, number).round().astype(int)
    frames = np.stack([street] * number)
    covered = np.zeros((number, size, size), bool)
    for frame, cover, place in zip(frames, covered, places, strict=True):
        columns = slice(max(0, place), max(0, place + width))
        frame[top:bottom, columns] = (238, 232, 214)
        cover[max(0, top - _NEAR) : bottom + _NEAR, max(0, place - _NEAR) : max(0, place + width + _NEAR)] = True
    return Clip(frames, ~(covered[1:] | covered[:-1]))


def moving_camera(size: int, number: int) -> Clip:
    """A camera that turns to the right over a still street."""
    street = draw_scene(5, 2 * size).photo[size // 2 : size // 2 + size]
    step = min(_SHIFT, size // number // 4 * 4)
    frames = np.stack([street[:, t * step : t * step + size] for t in range(number)])
    still = np.zeros((number - 1, size, size), bool)
    still[:, _NEAR:-_NEAR, _NEAR : size - _NEAR - step] = True
    return Clip(frames, still, step)


def exposure(size: int, number: int) -> Clip:
    """A still street whose upper third grows lighter and darker, as a sky with clouds does."""
    street = draw_scene(3, size).photo
    gains = 1 + 0.25 * np.sin(np.linspace(0, 2 * np.pi, number, endpoint=False))
    frames = np.stack([street] * number)
    third = size // 3
    for frame, gain in zip(frames, gains, strict=True):
        frame[:third] = np.clip(frame[:third] * gain, 0, 255).astype(np.uint8)
    still = np.zeros((number - 1, size, size), bool)
    still[:, third + _NEAR :] = True
    return Clip(frames, still)


def pumping(size: int, number: int) -> Clip:
    """A still street whose whole exposure goes up and down: all pixels change, and all are measured."""
    street = draw_scene(3, size).photo
    gains = 1 + 0.1 * np.sin(np.linspace(0, 2 * np.pi, number, endpoint=False))
    frames = np.stack([np.clip(street * gain, 0, 255).astype(np.uint8) for gain in gains])
    return Clip(frames, np.ones((number - 1, size, size), bool))


CLIPS: dict[str, Callable[[int, int], Clip]] = {
    "a bus passes a still camera": passing,
    "the sky's light changes": exposure,
    "the camera turns": moving_camera,
    "the exposure changes": pumping,
}


def flicker(frames: Frames, clip: Clip) -> float:
    """The mean absolute change of the pixels that are still, in gray levels, after the camera's motion is undone."""
    before = frames[:-1].astype(np.float64)
    after = np.roll(frames[1:], clip.shift, axis=2).astype(np.float64)
    # Of the shifted frame the columns that came from outside are never still.
    still = clip.still.copy()
    still[:, :, : clip.shift + (_NEAR if clip.shift else 0)] = False
    return float(np.abs(after - before)[still].mean())


def translated(generator: Generator, clip: Clip, *, steady: bool) -> Frames:
    """Translate a clip, by one set of statistics if it shall be steady."""
    frames = list(clip.frames)
    statistics = generator.clip_statistics(frames) if steady else None
    return np.stack([np.asarray(frame) for frame in generator.translate(frames, statistics=statistics)])


def save_pictures(folder: Path, name: str, columns: list[Frames]) -> None:
    """Write four moments of a clip, one below the other: the input and the outputs in columns."""
    folder.mkdir(parents=True, exist_ok=True)
    moments = np.linspace(0, len(columns[0]) - 1, 4).round().astype(int)
    rows = [np.hstack([frames[moment] for frames in columns]) for moment in moments]
    Image.fromarray(np.vstack(rows)).save(folder / f"{name.replace(' ', '_')}.png")


def vintagify() -> Generator:
    """Download and import vintagify's generator."""
    from benchmarks import imported_model

    with tempfile.TemporaryDirectory() as temporary:
        weights = imported_model.fetch_weights(Path(temporary))
        imported_model.run("import", str(weights), "--direction=AtoB", "--workdir", f"{temporary}/run")
        return load_generator(Path(temporary) / "run")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run or an exported generator of photos; default: vintagify's")
    parser.add_argument("--direction", choices=("AtoB", "BtoA"))
    parser.add_argument("--size", type=int, default=256, help="side of the frames, pixels")
    parser.add_argument("--frames", type=int, default=16, help="frames of each clip")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the clips")
    args = parser.parse_args()
    generator = load_generator(args.run, args.direction) if args.run else vintagify()
    figures = {}
    print(f"{'clip':30} {'input':>8} {'each frame':>11} {'one set':>9}")
    for name, draw in CLIPS.items():
        clip = draw(args.size, args.frames)
        columns = [clip.frames, *(translated(generator, clip, steady=steady) for steady in (False, True))]
        found = [flicker(frames, clip) for frames in columns]
        print(f"{name:30} {found[0]:8.3f} {found[1]:11.3f} {found[2]:9.3f}", flush=True)
        figures[name] = dict(zip(("input", "each_frame", "one_set"), found, strict=True))
        if args.pictures:
            save_pictures(args.pictures, name, columns)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
