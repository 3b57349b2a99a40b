"""Painting in perspective: the camera, the light, and a canvas that keeps the label picture and the photo aligned.

World coordinates are metres: x to the right of the camera, y up from the ground, z forward from the camera. Colours are
red, green and blue from 0 to 255.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from cyclegan_jax.data import palette

Color = tuple[float, float, float]
Point = tuple[float, float]

ROAD, SIDEWALK, BUILDING, POLE, VEGETATION, SKY, PERSON, CAR = (
    palette.NAMES.index(name) for name in ("road", "sidewalk", "building", "pole", "vegetation", "sky", "person", "car")
)
NEAR: Final = 1.5  # nothing is painted closer to the camera than this (metres)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along z; lengths on the picture are fractions of its side."""

    height: float
    focal: float
    horizon: float
    vanishing: float

    def project(self, x: float, y: float, z: float) -> Point:
        """The point of the picture, (0, 0) top left and (1, 1) bottom right, that shows a point of the world."""
        scale = self.focal / z
        return self.vanishing + scale * x, self.horizon + scale * (self.height - y)


@dataclass(frozen=True)
class Light:
    """What the time of day does to a colour: sun from the left (-1) or right (1), and haze that grows with depth."""

    haze: Color
    haze_depth: float
    sun: float

    def shade(self, color: Color, z: float, facing: float = 0.0) -> tuple[int, int, int]:
        """A surface's colour seen at depth z; `facing` is -1 where it looks to the left, 1 to the right, else 0."""
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
        """Whether details that do not show in the labels are worth computing."""
        return self._photo is not None

    def pixels(self, points: Sequence[tuple[float, float, float]]) -> list[Point]:
        """World points on the picture, in pixels."""
        camera, side = self.camera, self.side
        found = []
        for x, y, z in points:
            scale = camera.focal / z
            found.append(((camera.vanishing + scale * x) * side, (camera.horizon + scale * (camera.height - y)) * side))
        return found

    def polygon(
        self,
        points: Sequence[tuple[float, float, float]],
        color: Color,
        *,
        label: int | None = None,
        facing: float = 0.0,
    ) -> None:
        """Fill a polygon of world points; its depth for the haze is that of its first point."""
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
        """Fill a polygon that faces the camera, given by offsets in metres from (x, y, z)."""
        self.polygon([(x + dx, y + dy, z) for dx, dy in shape], color, label=label)

    def ellipse(
        self, x: float, y: float, z: float, width: float, height: float, color: Color, *, label: int | None = None
    ) -> None:
        """Fill an ellipse that faces the camera: its centre and its two radii in metres."""
        if label is None and self._photo is None:
            return
        (left, top), (right, bottom) = self.pixels([(x - width, y + height, z), (x + width, y - height, z)])
        if self._photo is not None:
            self._photo.ellipse((left, top, right, bottom), fill=self.light.shade(color, z))
        if label is not None:
            self._labels.ellipse((left, top, right, bottom), fill=label)

    def rectangles(self, boxes: list[tuple[float, float, float, float, float, float, Color]], z: float) -> None:
        """Fill photo quadrilaterals with upright sides: (x0, top0, bottom0, x1, top1, bottom1, colour) in pixels."""
        if self._photo is None:
            return
        for x0, top0, bottom0, x1, top1, bottom1, color in boxes:
            corners = ((x0, top0), (x1, top1), (x1, bottom1), (x0, bottom0))
            self._photo.polygon(corners, fill=self.light.shade(color, z))
