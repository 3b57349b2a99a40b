"""The surfaces of a drawn street: the ground and its markings, the sky and its clouds, the grain of each class."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from cyclegan_jax.data.streets.canvas import (
    BUILDING,
    CAR,
    PERSON,
    POLE,
    ROAD,
    SIDEWALK,
    SKY,
    VEGETATION,
    Camera,
    Color,
    Light,
    Point,
)

Floats = npt.NDArray[np.floating[Any]]

# How much fine noise and how much coarse mottling each class carries, as fractions of its brightness.
_FINE: Final = {ROAD: 0.05, SIDEWALK: 0.022, BUILDING: 0.022, VEGETATION: 0.12, POLE: 0.02, PERSON: 0.04, CAR: 0.015}
_COARSE: Final = {ROAD: 0.035, SIDEWALK: 0.02, BUILDING: 0.03, VEGETATION: 0.17, POLE: 0.0, PERSON: 0.03, CAR: 0.01}


_WHITE, _KERB, _GUTTER = 100, 101, 102  # rows of the table of paints, beside the train ids


@dataclass(frozen=True)
class Street:
    """A street's plan on the ground, in metres from its centre line; the left (or near) side comes first in pairs.

    The street runs away from the camera, or, where `across` is given, across the view at that distance.
    """

    half_width: float
    pavements: tuple[float, float]
    beyond: tuple[int, int]
    offset: float
    bend: float
    across: float | None
    tilt: float
    junction: Point | None
    zebra: float | None
    centre_line: bool
    asphalt: Color
    paving: Color
    grass: Color
    tile: float
    shadow: tuple[float, float]

    def place(self, lateral: float, along: float) -> Point:
        """The ground point (x, z) `lateral` metres right of the centre line and `along` metres down the street."""
        if self.across is not None:
            return along, self.across + lateral - self.tilt * along
        return lateral - self.offset + self.bend * min(along, 60.0) ** 2, along


def paint_sky(
    size: int, horizon: float, colors: tuple[Color, Color, Color], cover: float, rng: np.random.Generator
) -> Floats:
    """A sky of [size, size, 3] floats, 0 to 255: a gradient from the zenith to the horizon, and clouds."""
    zenith, low, cloud = (np.array(color, np.float32) for color in colors)
    height = np.linspace(0, 1 / horizon, size, dtype=np.float32).clip(0, 1)[:, None, None] ** 0.8
    sky = zenith + (low - zenith) * height
    puffs = 0.65 * _mottle(size, (5, 3), rng) + 0.35 * _mottle(size, (13, 8), rng) + 0.18 * _mottle(size, (32, 26), rng)
    veil = np.clip((puffs + cover) * 1.3, 0, 0.92)[..., None] * (1 - 0.55 * height)
    painted: Floats = np.broadcast_to(sky, (size, size, 3)) * (1 - veil) + (cloud + 9 * puffs[..., None]) * veil
    return painted


@dataclass(frozen=True)
class Ground:
    """The part of the picture below the horizon, from row `top` on; arrays of [rows, size] or what broadcasts to it."""

    top: int
    ids: npt.NDArray[np.uint8]
    """Train ids."""
    depth: Floats
    lateral: Floats
    along: Floats
    beside: Floats
    """Metres beyond the edge of the road; negative on it."""


def see_ground(size: int, street: Street, camera: Camera) -> Ground:
    """Which class of ground the camera sees, and where on the street's plan it lies."""
    top = int(camera.horizon * size) + 1
    rows = (np.arange(top, size, dtype=np.float32) + 0.5) / size
    z = (camera.focal * camera.height / np.maximum(rows - camera.horizon, 1e-3))[:, None].astype(np.float32)
    columns = (np.arange(size, dtype=np.float32) + 0.5) / size
    x = (columns - camera.vanishing)[None, :] * (z / camera.focal)
    if street.across is None:
        lateral = x + (street.offset - street.bend * np.minimum(z, 60.0) ** 2)
        along = z
    else:
        lateral, along = z - street.across + street.tilt * x, x
    right = lateral > 0
    beside = np.abs(lateral) - street.half_width
    width = np.where(right, street.pavements[1], street.pavements[0])
    ids = np.where(right, np.uint8(street.beyond[1]), np.uint8(street.beyond[0]))
    if street.junction is not None:
        start, end = street.junction
        outside = np.maximum(start - along, along - end)
        beside = np.minimum(beside, outside)
        ids[(outside < 3.0) & (ids == VEGETATION)] = SIDEWALK
    np.putmask(ids, beside < width, SIDEWALK)
    np.putmask(ids, beside < 0, ROAD)
    return Ground(top, ids, z, lateral, along, beside)


def paint_ground(ground: Ground, street: Street, light: Light) -> Floats:
    """The colours of the ground, [rows, size, 3] floats from 0 to about 255."""
    z, lateral, along, ids = ground.depth, ground.lateral, ground.along, ground.ids
    road, paved = ids == ROAD, ids == SIDEWALK
    paint = ids.copy()
    np.putmask(paint, _markings(street, lateral, along) & road, _WHITE)
    kerb = np.abs(ground.beside) < 0.14
    np.putmask(paint, kerb & paved, _KERB)
    np.putmask(paint, kerb & road, _GUTTER)
    colors = np.zeros((256, 3), np.float32)
    colors[[ROAD, SIDEWALK, VEGETATION]] = street.asphalt, street.paving, street.grass
    colors[_WHITE] = 222, 220, 212
    colors[_KERB], colors[_GUTTER] = 1.13 * colors[SIDEWALK], 0.72 * colors[ROAD]

    fade = np.clip(1.4 - z / 22, 0, 1)
    across_tile, along_tile = lateral / street.tile, along / street.tile
    joint = (np.abs(across_tile - np.rint(across_tile)) < 0.06) | (np.abs(along_tile - np.rint(along_tile)) < 0.06)
    checker = _modulo(np.floor(across_tile) * 3 + np.floor(along_tile) * 5, 7) / 7 - 0.5
    tone = 1 + paved * fade * (0.1 * checker - 0.2 * joint)
    left, right = street.shadow
    tone *= 1 - 0.3 * ((lateral < left) | (lateral > right))
    clear = np.exp(-z / light.haze_depth)
    painted: Floats = colors.take(paint, 0) * (tone * clear)[..., None]
    painted += (np.array(light.haze, np.float32) * (1 - clear))[:, None]
    return painted


def _markings(street: Street, lateral: Floats, along: Floats) -> npt.NDArray[np.bool_]:
    """Where the road is painted white: the broken centre line, the edge lines, a zebra crossing."""
    marks = np.abs(np.abs(lateral) - street.half_width + 0.4) < 0.07
    if street.centre_line:
        marks |= (np.abs(lateral) < 0.1) & (_modulo(along, 5.0) < 2.8)
    if street.junction is not None:
        marks &= (along < street.junction[0] - 1) | (along > street.junction[1] + 1)
    if street.zebra is not None:
        start = street.zebra
        band = (along > start) & (along < start + 3.0)
        marks = np.where(band, (_modulo(lateral, 1.1) < 0.55) & (np.abs(lateral) < street.half_width - 0.2), marks)
    return marks


def add_grain(
    photo: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], exposure: Color, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Give each class its grain, and the whole picture the camera's exposure and noise.

    Args:
        photo: uint8 [size, size, 3].
        labels: train ids, uint8 [size, size].
        exposure: factors of red, green and blue.
        rng: where the noise comes from.

    Returns:
        A new photo, uint8 [size, size, 3].
    """
    size = len(labels)
    fine = rng.standard_normal((size, size), dtype=np.float32)
    coarse = _mottle(size, (size // 4, size // 4), rng)
    gain = 1 + _lookup(_FINE).take(labels) * fine + _lookup(_COARSE).take(labels) * coarse
    grained = photo * np.array(exposure, np.float32) * gain[..., None]
    # Leaves turn yellower where they are lit and bluer where they are not.
    grained[..., 2] -= (labels == VEGETATION) * (6 * coarse)
    grained += 1.6 * rng.standard_normal((size, size, 1), dtype=np.float32)
    return np.clip(grained, 0, 255).astype(np.uint8)


def _mottle(size: int, cells: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Smooth noise of [size, size], about one in amplitude, with this many (down, across) cells per picture."""
    coarse = rng.standard_normal((cells[0] + 1, cells[1] + 1), dtype=np.float32)
    smooth = Image.fromarray(coarse).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(smooth)


def _modulo(values: Floats, period: float) -> Floats:
    """The remainder, several times faster than NumPy's."""
    remainder: Floats = values - np.floor(values / period) * period
    return remainder


def _lookup(amounts: dict[int, float]) -> Floats:
    table = np.zeros(SKY + 256, np.float32)
    for label, amount in amounts.items():
        table[label] = amount
    return table
