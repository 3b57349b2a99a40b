"""Painting in perspective: the camera, the light, and a canvas that keeps label picture and photo aligned.

World coordinates are in metres: x to the right of the camera, y up from the ground, z forward from the camera. Colours
are (red, green, blue) from 0 to 255.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from cyclegan_jax.data import palette

Color = tuple[float, float, float]
Point = tuple[float, float]
Box = tuple[float, float, float, float, float, float, Color]
"""A quadrilateral with upright sides: (x0, top0, bottom0, x1, top1, bottom1) in pixels, and its colour."""

ROAD, SIDEWALK, BUILDING, POLE, VEGETATION, SKY, PERSON, CAR = (
    palette.NAMES.index(name) for name in ("road", "sidewalk", "building", "pole", "vegetation", "sky", "person", "car")
)
NEAR: Final = 1.5
"""Walls and hedges are cut off closer to the camera than this, in metres: projection divides by the depth."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along z; lengths on the picture are fractions of its side.

    Attributes:
        height: of the camera above the ground, in metres.
        focal: focal length.
        horizon: row of the horizon, from the top.
        vanishing: column of the vanishing point of lines along z, from the left.
    """

    height: float
    focal: float
    horizon: float
    vanishing: float

    def project(self, x: float, y: float, z: float) -> Point:
        """Project a world point to the picture; (0, 0) is its top left corner, (1, 1) its bottom right."""
        scale = self.focal / z
        return self.vanishing + scale * x, self.horizon + scale * (self.height - y)


@dataclass(frozen=True)
class Light:
    """Sunlight and haze.

    Attributes:
        haze: colour that distant things fade to.
        haze_depth: distance in metres at which a colour has faded to 1/e.
        sun: -1 if the sun shines from the left, 1 from the right.
    """

    haze: Color
    haze_depth: float
    sun: float

    def shade(self, color: Color, z: float, facing: float = 0.0) -> tuple[int, int, int]:
        """Return the colour of a surface seen at depth z; `facing` is -1 if it looks left, 1 if right, else 0."""
        # Light from the surface decays exponentially with the distance (Beer-Lambert); haze replaces what is lost.
        clear = math.exp(-z / self.haze_depth)
        lit = clear * (1.0 + 0.16 * facing * self.sun)
        veil = 1 - clear
        (r, g, b), (hr, hg, hb) = color, self.haze
        return (
            int(min(255.0, r * lit + hr * veil)),
            int(min(255.0, g * lit + hg * veil)),
            int(min(255.0, b * lit + hb * veil)),
        )


class Canvas:
    """A label picture and a photo of the same size, drawn on together; or the label picture alone."""

    def __init__(self, labels: Image.Image, photo: Image.Image | None, camera: Camera, light: Light) -> None:
        """Draw on `labels` (mode L, train ids) and, if given, `photo` (mode RGB), both square."""
        self.side = labels.width
        self.camera = camera
        self.light = light
        self._labels = ImageDraw.Draw(labels)
        self._photo = None if photo is None else ImageDraw.Draw(photo)

    @property
    def has_photo(self) -> bool:
        """Whether there is a photo; without one, details that the labels do not show need not be computed."""
        return self._photo is not None

    def pixels(self, points: Sequence[tuple[float, float, float]]) -> list[Point]:
        """Project world points to pixels."""
        # The formula of `Camera.project`, written out: this is called for every point of every polygon.
        camera, side = self.camera, self.side
        found = []
        for x, y, z in points:
            scale = camera.focal / z
            found.append(((camera.vanishing + scale * x) * side, (camera.horizon + scale * (camera.height - y)) * side))
        return found

    def row(self, y: float, z: float) -> float:
        """Return the row in pixels of a world point at height y and depth z; x does not change it."""
        camera = self.camera
        return (camera.horizon + camera.focal * (camera.height - y) / z) * self.side

    def polygon(
        self,
        points: Sequence[tuple[float, float, float]],
        color: Color,
        *,
        label: int | None = None,
        facing: float = 0.0,
    ) -> None:
        """Fill a polygon of world points in the photo and, if `label` is given, in the labels.

        The depth of the first point determines the haze on the whole polygon.
        """
        if label is None and self._photo is None:
            return
        outline = self.pixels(points)
        if self._photo is not None:
            self._photo.polygon(outline, fill=self.light.shade(color, points[0][2], facing))
        if label is not None:
            self._labels.polygon(outline, fill=label)

    def upright(
        self, x: float, y: float, z: float, shape: Sequence[Point], color: Color, *, label: int | None = None
    ) -> None:
        """Fill a polygon that faces the camera; its points are offsets (dx, dy) in metres from (x, y, z)."""
        self.polygon([(x + dx, y + dy, z) for dx, dy in shape], color, label=label)

    def ellipse(
        self, x: float, y: float, z: float, width: float, height: float, color: Color, *, label: int | None = None
    ) -> None:
        """Fill an ellipse that faces the camera: (x, y, z) is its centre, `width` and `height` its radii in metres."""
        if label is None and self._photo is None:
            return
        (left, top), (right, bottom) = self.pixels([(x - width, y + height, z), (x + width, y - height, z)])
        if self._photo is not None:
            self._photo.ellipse((left, top, right, bottom), fill=self.light.shade(color, z))
        if label is not None:
            self._labels.ellipse((left, top, right, bottom), fill=label)

    def rectangles(self, boxes: list[Box], z: float) -> None:
        """Fill quadrilaterals in the photo alone; `z` is their depth for the haze."""
        if self._photo is None:
            return
        for x0, top0, bottom0, x1, top1, bottom1, color in boxes:
            corners = ((x0, top0), (x1, top1), (x1, bottom1), (x0, bottom0))
            self._photo.polygon(corners, fill=self.light.shade(color, z))


def scaled(color: Color, factor: float) -> Color:
    """Return a colour `factor` times as bright, with channels of at most 255."""
    r, g, b = color
    return min(255.0, r * factor), min(255.0, g * factor), min(255.0, b * factor)
