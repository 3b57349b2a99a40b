"""Street scenes drawn from a seed: a photo, and the label picture of the same scene in the colours of Cityscapes.

First the plan of a scene is drawn, with random numbers that do not depend on the size of the picture. Then the scene is
painted from far to near (the painter's algorithm) at twice the size, and reduced.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cyclegan_jax.data import palette
from cyclegan_jax.data.streets.canvas import SKY, Camera, Canvas, Color, Light
from cyclegan_jax.data.streets.layout import plan_across, plan_along
from cyclegan_jax.data.streets.looks import Item
from cyclegan_jax.data.streets.texture import (
    Ground,
    Street,
    add_grain,
    paint_ground,
    paint_sky,
    see_ground,
)

_OVERSAMPLING: Final = 2


@dataclass(frozen=True)
class _Mood:
    """Weather and time of day.

    Attributes:
        sky: colours of the zenith, of the horizon and of the clouds.
        exposure: factors of red, green and blue.
        haze_depth: distance in metres at which colours have faded to 1/e.
        cover: range of the cloud cover; -1 is a clear sky.
    """

    sky: tuple[Color, Color, Color]
    exposure: Color
    haze_depth: float
    cover: tuple[float, float]


_MOODS: Final[tuple[_Mood, ...]] = (
    _Mood(((66, 130, 218), (174, 209, 242), (248, 250, 252)), (1.10, 1.09, 1.05), 420, (-1.0, 0.4)),
    _Mood(((92, 152, 226), (196, 221, 244), (252, 252, 252)), (1.12, 1.10, 1.05), 300, (-0.6, 0.5)),
    _Mood(((156, 178, 208), (208, 218, 230), (214, 222, 232)), (0.98, 1.00, 1.04), 220, (0.0, 0.7)),
    _Mood(((124, 172, 226), (220, 228, 236), (244, 242, 240)), (1.08, 1.06, 1.02), 140, (-0.6, 0.3)),
    _Mood(((112, 144, 212), (242, 214, 194), (250, 228, 216)), (1.11, 1.03, 0.95), 260, (-0.5, 0.4)),
)


@dataclass(frozen=True)
class Scene:
    """One street, as a label picture and as a photo, with the same things at the same pixels.

    Attributes:
        labels: RGB, in the exact colours of `palette` and no others.
        photo: RGB.
    """

    labels: UInt8[np.ndarray, "size size 3"]
    photo: UInt8[np.ndarray, "size size 3"]


def draw_scene(seed: int, size: int = 128) -> Scene:
    """Draw the street of a seed.

    Args:
        seed: any integer that is not negative; one seed always draws the same bytes.
        size: height and width in pixels, at least 16. The plan of the scene does not depend on it.

    Raises:
        ValueError: the size is below 16 or the seed is negative.
    """
    plan = _plan_scene(seed, size)
    wide = size * _OVERSAMPLING
    # Plan and noise have random streams of their own, so that `draw_labels` can leave out the noise.
    noise = np.random.Generator(np.random.PCG64([seed, 1]))
    sky = paint_sky(size, plan.camera.horizon, plan.mood.sky, plan.cover, noise)
    pixels = sky.clip(0, 255).astype(np.uint8).repeat(_OVERSAMPLING, 0).repeat(_OVERSAMPLING, 1)
    ground = see_ground(wide, plan.street, plan.camera)
    pixels[ground.top :] = paint_ground(ground, plan.street, plan.light).clip(0, 255)
    photo = Image.fromarray(pixels)
    train_ids = _paint(plan, ground, photo)
    red, green, blue = (plan.strength * channel for channel in plan.mood.exposure)
    grained = add_grain(np.asarray(photo.reduce(_OVERSAMPLING)), train_ids, (red, green, blue), noise)
    return Scene(palette.color_array().take(train_ids, 0), grained)


def draw_labels(seed: int, size: int = 128) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Draw only the `labels` of `draw_scene(seed, size)`, in less than half of the time."""
    plan = _plan_scene(seed, size)
    ground = see_ground(size * _OVERSAMPLING, plan.street, plan.camera)
    return palette.color_array().take(_paint(plan, ground, None), 0)


@dataclass(frozen=True)
class _Plan:
    """Everything about a scene except its noise."""

    mood: _Mood
    cover: float
    strength: float
    light: Light
    camera: Camera
    street: Street
    items: list[Item]


def _plan_scene(seed: int, size: int) -> _Plan:
    if size < 16:
        raise ValueError(f"size is {size}, but a scene needs at least 16 pixels")
    if seed < 0:
        raise ValueError(f"seed is {seed}, but it must not be negative")
    rng = np.random.Generator(np.random.PCG64([seed, 0]))
    mood = _MOODS[int(rng.integers(len(_MOODS)))]
    light = Light(mood.sky[1], mood.haze_depth, 1.0 if rng.random() < 0.5 else -1.0)
    across = rng.random() < 0.2
    camera = Camera(
        height=rng.uniform(2.0, 4.6),
        focal=rng.uniform(0.85, 1.3),
        horizon=rng.uniform(0.33, 0.57),
        vanishing=rng.uniform(0.35, 0.65) if across else rng.uniform(0.08, 0.92),
    )
    cover, strength = rng.uniform(*mood.cover), rng.uniform(0.94, 1.06)
    street, items = plan_across(rng) if across else plan_along(rng, camera)
    return _Plan(mood, cover, strength, light, camera, street, sorted(items, key=lambda item: -item[0]))


def _paint(plan: _Plan, ground: Ground, photo: Image.Image | None) -> UInt8[np.ndarray, "size size"]:
    """Paint the things on the ground; return the train ids, reduced to the size of the picture."""
    wide = ground.ids.shape[1]
    ids = np.full((wide, wide), SKY, np.uint8)
    ids[ground.top :] = ground.ids
    labels = Image.fromarray(ids)
    canvas = Canvas(labels, photo, plan.camera, plan.light)
    for _, paint in plan.items:
        paint(canvas)
    # Every second pixel: the mean of neighbours, which the photo takes, is no class id.
    return np.asarray(labels)[1::_OVERSAMPLING, 1::_OVERSAMPLING]
