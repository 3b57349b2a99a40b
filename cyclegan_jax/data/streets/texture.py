"""The surfaces of a drawn street: the ground and its markings, the sky and its clouds, the grain of each class.

They are computed for all pixels at once with NumPy, while the things on the ground are drawn as polygons.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
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

# How much fine noise and how much coarse mottling each class has, as fractions of its brightness.
_FINE: Final = {ROAD: 0.05, SIDEWALK: 0.022, BUILDING: 0.022, VEGETATION: 0.12, POLE: 0.02, PERSON: 0.04, CAR: 0.015}
_COARSE: Final = {ROAD: 0.035, SIDEWALK: 0.02, BUILDING: 0.03, VEGETATION: 0.17, POLE: 0.0, PERSON: 0.03, CAR: 0.01}
_WHITE, _KERB, _GUTTER = 100, 101, 102  # more rows of the colour table in `paint_ground`, beside the train ids


@dataclass(frozen=True)
class Street:
    """A street's plan on the ground, in metres from its centre line; the left (or near) side comes first in pairs.

    The street runs away from the camera, or, if `across` is given, across the view at that distance.

    Attributes:
        half_width: half of the width of the road.
        pavements: width of either pavement; 0 for none.
        beyond: class of the ground beyond either pavement.
        offset: how far the camera stands to the right of the centre line.
        bend: curvature; 0 is a straight street.
        across: distance of a street that crosses the view, or None.
        tilt: slope of a crossing street against the picture plane.
        junction: where a crossing street begins and ends along this one, or None.
        zebra: where a zebra crossing begins along the street, or None.
        centre_line: whether a broken line is painted along the centre.
        asphalt: colour of the road.
        paving: colour of the pavements.
        grass: colour of vegetation on the ground.
        tile: side of the paving stones.
        shadow: the ground left of the first and right of the second lateral position is in shadow.
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
        """Return the ground point (x, z) that is `lateral` metres right of the centre line, `along` metres down it."""
        if self.across is not None:
            return along, self.across + lateral - self.tilt * along
        # A parabola for the first 60 m; beyond, where it would leave the picture, a line straight ahead.
        return lateral - self.offset + self.bend * min(along, 60.0) ** 2, along


def paint_sky(
    size: int, horizon: float, colors: tuple[Color, Color, Color], cover: float, rng: np.random.Generator
) -> Float[np.ndarray, "{size} {size} 3"]:
    """Paint a gradient from the zenith to the horizon, and clouds; values are 0 to about 255.

    Args:
        size: height and width in pixels.
        horizon: row of the horizon as a fraction of the picture.
        colors: of the zenith, of the horizon and of the clouds.
        cover: amount of clouds; -1 is a clear sky.
        rng: draws the clouds.
    """
    zenith, low, cloud = (np.array(color, np.float32) for color in colors)
    height = np.linspace(0, 1 / horizon, size, dtype=np.float32).clip(0, 1)[:, None, None] ** 0.8
    sky = zenith + (low - zenith) * height
    # Clouds are noise of three scales, as in fractal noise: the finer, the weaker.
    puffs = 0.65 * _mottle(size, (5, 3), rng) + 0.35 * _mottle(size, (13, 8), rng) + 0.18 * _mottle(size, (32, 26), rng)
    veil = np.clip((puffs + cover) * 1.3, 0, 0.92)[..., None] * (1 - 0.55 * height)
    return np.asarray(np.broadcast_to(sky, (size, size, 3)) * (1 - veil) + (cloud + 9 * puffs[..., None]) * veil)


@dataclass(frozen=True)
class Ground:
    """The part of the picture below the horizon, from row `top` on.

    Attributes:
        top: first row of the ground.
        ids: train ids.
        depth: z in metres, which is the same for all pixels of a row.
        lateral: metres to the right of the centre line.
        along: metres down the street; (rows, 1) for a street along z, else (rows, size).
        beside: metres beyond the edge of the road; negative on the road.
    """

    top: int
    ids: UInt8[np.ndarray, "rows size"]
    depth: Float[np.ndarray, "rows 1"]
    lateral: Float[np.ndarray, "rows size"]
    along: Float[np.ndarray, "_ _"]
    beside: Float[np.ndarray, "rows size"]


def see_ground(size: int, street: Street, camera: Camera) -> Ground:
    """Find which class of ground each pixel shows, and where it lies on the plan of the street.

    This inverts `Camera.project` for y = 0: the row alone determines the depth z; depth and column determine x.
    """
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


def paint_ground(ground: Ground, street: Street, light: Light) -> Float[np.ndarray, "rows size 3"]:
    """Paint the ground with markings, kerbs, paving stones, shadows and haze; values are 0 to about 255."""
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

    # Paving stones fade with the distance: those smaller than a pixel would make moire patterns.
    fade = np.clip(1.4 - z / 22, 0, 1)
    across_tile, along_tile = lateral / street.tile, along / street.tile
    joint = (np.abs(across_tile - np.rint(across_tile)) < 0.06) | (np.abs(along_tile - np.rint(along_tile)) < 0.06)
    # A cheap hash of a stone's row and column: neighbouring stones differ in brightness.
    checker = _modulo(np.floor(across_tile) * 3 + np.floor(along_tile) * 5, 7) / 7 - 0.5
    tone = 1 + paved * fade * (0.1 * checker - 0.2 * joint)
    left, right = street.shadow
    tone *= 1 - 0.3 * ((lateral < left) | (lateral > right))
    clear = np.exp(-z / light.haze_depth)
    painted: np.ndarray = colors.take(paint, 0) * (tone * clear)[..., None]
    painted += (np.array(light.haze, np.float32) * (1 - clear))[:, None]
    return painted


def _markings(
    street: Street, lateral: Float[np.ndarray, "rows size"], along: Float[np.ndarray, "_ _"]
) -> Bool[np.ndarray, "rows size"]:
    """Return where the road is painted white: edge lines, a broken centre line, a zebra crossing."""
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
    photo: UInt8[np.ndarray, "size size 3"],
    labels: UInt8[np.ndarray, "size size"],
    exposure: Color,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "size size 3"]:
    """Add the grain of each class, and the exposure and the noise of the camera, to a copy of a photo.

    Args:
        photo: RGB.
        labels: train ids of its pixels.
        exposure: factors of red, green and blue.
        rng: draws the noise.
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


def _mottle(size: int, cells: tuple[int, int], rng: np.random.Generator) -> Float32[np.ndarray, "{size} {size}"]:
    """Draw smooth noise with an amplitude of about 1 and `cells` (down, across) in the picture.

    This is value noise: random numbers on a coarse grid, interpolated linearly.
    """
    coarse = rng.standard_normal((cells[0] + 1, cells[1] + 1), dtype=np.float32)
    smooth = Image.fromarray(coarse).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(smooth)


def _modulo(values: Float[np.ndarray, "*shape"], period: float) -> Float[np.ndarray, "*shape"]:
    """Return values modulo period, several times faster than `np.mod`."""
    return np.asarray(values - np.floor(values / period) * period)


def _lookup(amounts: dict[int, float]) -> Float32[np.ndarray, " classes"]:
    """Turn amounts per class into a table to index with arrays of ids; other classes, such as sky, have 0."""
    table = np.zeros(SKY + 256, np.float32)
    for label, amount in amounts.items():
        table[label] = amount
    return table
