"""Buildings of a drawn street: walls with windows, roofs and shops.

Outlines go into labels and photo, details into the photo alone, so that the two stay aligned.
"""

import math
from dataclasses import dataclass

from cyclegan_jax.data.streets.canvas import BUILDING, NEAR, Box, Canvas, Color, Point, scaled


@dataclass(frozen=True)
class Facade:
    """How the walls of a building look; lengths in metres.

    Attributes:
        wall: colour of the wall.
        roof: colour of the roof.
        glass: colour of the windows.
        frame: colour of the window frames.
        spacing: distance from one window to the next.
        storey: height of a storey.
        window: width of a window as a fraction of `spacing`, and its height as a fraction of `storey`.
        shop: colour of the awning of a shop on the ground floor, or None.
        dice: random numbers from 0 to 1 that vary how bright each window is.
    """

    wall: Color
    roof: Color
    glass: Color
    frame: Color
    spacing: float
    storey: float
    window: tuple[float, float]
    shop: Color | None
    dice: tuple[float, ...]


def draw_building(
    canvas: Canvas, corner: Point, back: Point, depth: float, height: float, facade: Facade, pitch: float
) -> None:
    """Draw a house beside the street: its wall from `corner` to `back` (x, z), reaching `depth` metres outward.

    `depth` is positive on the right side of the street, negative on the left. `pitch` is the rise of the roof in
    metres, 0 for a flat one.
    """
    (x0, z0), (x1, z1) = corner, back
    side = 1.0 if depth > 0 else -1.0
    if pitch > 0:
        near = max(z0, NEAR)
        ridge = [(x0 + depth / 2, height + pitch, near), (x1 + depth / 2, height + pitch, z1)]
        canvas.polygon(
            [*ridge, (x1 - 0.3 * side, height, z1), (x0 - 0.3 * side, height, near)], facade.roof, label=BUILDING
        )
    draw_wall(canvas, corner, back, height, facade, -side)
    if z0 > NEAR + 0.5:
        if pitch > 0:
            gable = [(x0, height, z0), (x0 + depth / 2, height + pitch, z0), (x0 + depth, height, z0)]
            canvas.polygon(gable, facade.wall, label=BUILDING)
        draw_wall(canvas, (x0, z0), (x0 + depth, z0), height, facade, 0.0)


def draw_front(
    canvas: Canvas, left: float, right: float, z: float, height: float, facade: Facade, pitch: float
) -> None:
    """Draw a house that faces the camera, from x = `left` to `right`."""
    if pitch > 0:
        eaves = [(left - 0.3, height, z), (right + 0.3, height, z)]
        canvas.polygon(
            [*eaves, (right - 0.6, height + pitch, z), (left + 0.6, height + pitch, z)], facade.roof, label=BUILDING
        )
    draw_wall(canvas, (left, z), (right, z + 0.01), height, facade, 0.0)


def draw_wall(canvas: Canvas, start: Point, end: Point, height: float, facade: Facade, facing: float) -> None:
    """Draw an upright wall with windows between two ground points (x, z).

    `facing` is -1 where it looks to the left, 1 to the right, 0 towards the camera.
    """
    if start[1] > end[1]:
        start, end = end, start
    (x0, z0), (x1, z1) = start, end
    if z1 <= NEAR:
        return
    if z0 < NEAR:
        # Cut the wall off at the near plane: projecting points at or behind the camera would turn it inside out.
        x0, z0 = x0 + (x1 - x0) * (NEAR - z0) / (z1 - z0), NEAR
    dim = 1.0 + 0.16 * facing * canvas.light.sun
    left, right = (point[0] for point in canvas.pixels([(x0, 0, z0), (x1, 0, z1)]))
    if max(left, right) < 0 or min(left, right) > canvas.side:
        return
    quad = [(x0, 0.0, z0), (x0, height, z0), (x1, height, z1), (x1, 0.0, z1)]
    canvas.polygon(quad, scaled(facade.wall, dim), label=BUILDING)
    if not canvas.has_photo:
        return

    def row(bottom: float, top: float, color: Color) -> Box:
        """Return a band across the whole wall between two heights."""
        return (
            left,
            canvas.row(top, z0),
            canvas.row(bottom, z0),
            right,
            canvas.row(top, z1),
            canvas.row(bottom, z1),
            color,
        )

    boxes = [row(height - 0.45, height, scaled(facade.wall, 1.18 * dim)), row(0, 0.5, scaled(facade.wall, 0.7 * dim))]
    has_shop = facade.shop is not None and height > 5
    if facade.shop is not None and has_shop:
        boxes += [row(0.4, 2.7, scaled(facade.glass, 0.9 * dim)), row(2.6, 3.5, scaled(facade.shop, dim))]
    boxes += _windows(canvas, (x0, z0), (x1, z1), height, facade, dim, first=1 if has_shop else 0)
    canvas.rectangles(boxes, (z0 + z1) / 2)


def _windows(
    canvas: Canvas, start: Point, end: Point, height: float, facade: Facade, dim: float, first: int
) -> list[Box]:
    """Return the windows of a wall from the storey `first` upwards, each behind its frame where it is large enough."""
    (x0, z0), (x1, z1) = start, end
    camera, side = canvas.camera, canvas.side
    boxes: list[Box] = []
    columns = max(1, int(math.hypot(x1 - x0, z1 - z0) / facade.spacing))
    storeys = max(1, int((height - 0.6) / facade.storey))
    width, tall = facade.window
    for column in range(columns):
        # Windows are spaced evenly on the wall, not on the picture: interpolate in the world, then project.
        near, far = ((column + 0.5 + sign * width / 2) / columns for sign in (-1, 1))
        za, zb = z0 + (z1 - z0) * near, z0 + (z1 - z0) * far
        xa = (camera.vanishing + camera.focal * (x0 + (x1 - x0) * near) / za) * side
        xb = (camera.vanishing + camera.focal * (x0 + (x1 - x0) * far) / zb) * side
        if abs(xa - xb) < 1.3 or max(xa, xb) < 0 or min(xa, xb) > side:
            continue
        border = max(1.0, 0.12 * abs(xa - xb)) * (1 if xb > xa else -1)
        for storey in range(first, storeys):
            bottom = storey * facade.storey + 0.9
            top = bottom + tall * facade.storey
            a0, a1, b0, b1 = canvas.row(top, za), canvas.row(bottom, za), canvas.row(top, zb), canvas.row(bottom, zb)
            if min(a1, b1) < 0 or a1 - a0 < 1.3:
                continue
            glint = facade.dice[(column * 7 + storey * 3) % len(facade.dice)]
            if abs(xa - xb) > 5:
                boxes.append(
                    (xa - border, a0 - 1.5, a1 + 1.5, xb + border, b0 - 1.5, b1 + 1.5, scaled(facade.frame, dim))
                )
            boxes.append((xa, a0, a1, xb, b0, b1, scaled(facade.glass, 0.75 + 0.6 * glint)))
    return boxes
