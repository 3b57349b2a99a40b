"""What stands in a drawn street: buildings, trees, hedges, cars, people, poles.

Every function paints the outline into the labels and the details into the photo alone, so the two stay aligned.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cyclegan_jax.data.streets.canvas import (
    BUILDING,
    CAR,
    NEAR,
    PERSON,
    POLE,
    VEGETATION,
    Canvas,
    Color,
    Point,
)


@dataclass(frozen=True)
class Facade:
    """How a building's walls look: colours, and the sizes in metres of the pattern of its windows."""

    wall: Color
    roof: Color
    glass: Color
    frame: Color
    spacing: float
    storey: float
    window: tuple[float, float]
    shop: Color | None
    dice: tuple[float, ...]


def draw_wall(canvas: Canvas, start: Point, end: Point, height: float, facade: Facade, facing: float) -> None:
    """An upright wall with windows between two ground points (x, z)."""
    if start[1] > end[1]:
        start, end = end, start
    (x0, z0), (x1, z1) = start, end
    if z1 <= NEAR:
        return
    if z0 < NEAR:
        x0, z0 = x0 + (x1 - x0) * (NEAR - z0) / (z1 - z0), NEAR
    middle = (z0 + z1) / 2
    dim = 1.0 + 0.16 * facing * canvas.light.sun
    wall = _scaled(facade.wall, dim)
    corners = canvas.pixels([(x0, 0, z0), (x1, 0, z1)])
    camera, side = canvas.camera, canvas.side
    if max(corners[0][0], corners[1][0]) < 0 or min(corners[0][0], corners[1][0]) > side:
        return
    quad = [(x0, 0.0, z0), (x0, height, z0), (x1, height, z1), (x1, 0.0, z1)]
    canvas.polygon(quad, wall, label=BUILDING)
    if not canvas.has_photo:
        return

    def row(bottom: float, top: float, color: Color) -> tuple[float, float, float, float, float, float, Color]:
        return (
            corners[0][0],
            level(top, z0),
            level(bottom, z0),
            corners[1][0],
            level(top, z1),
            level(bottom, z1),
            color,
        )

    def level(y: float, z: float) -> float:
        return (camera.horizon + camera.focal * (camera.height - y) / z) * side

    boxes = [row(height - 0.45, height, _scaled(facade.wall, 1.18 * dim)), row(0, 0.5, _scaled(facade.wall, 0.7 * dim))]
    length = math.hypot(x1 - x0, z1 - z0)
    columns = max(1, int(length / facade.spacing))
    first = 0
    if facade.shop is not None and height > 5:
        boxes += [row(0.4, 2.7, _scaled(facade.glass, 0.9 * dim)), row(2.6, 3.5, _scaled(facade.shop, dim))]
        first = 1
    storeys = max(1, int((height - 0.6) / facade.storey))
    width, tall = facade.window
    for column in range(columns):
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
            a0, a1, b0, b1 = level(top, za), level(bottom, za), level(top, zb), level(bottom, zb)
            if min(a1, b1) < 0 or a1 - a0 < 1.3:
                continue
            glint = facade.dice[(column * 7 + storey * 3) % len(facade.dice)]
            if abs(xa - xb) > 5:
                boxes.append(
                    (xa - border, a0 - 1.5, a1 + 1.5, xb + border, b0 - 1.5, b1 + 1.5, _scaled(facade.frame, dim))
                )
            boxes.append((xa, a0, a1, xb, b0, b1, _scaled(facade.glass, 0.75 + 0.6 * glint)))
    canvas.rectangles(boxes, middle)


def draw_building(
    canvas: Canvas, corner: Point, back: Point, depth: float, height: float, facade: Facade, pitch: float
) -> None:
    """A house along the street: its wall from `corner` to `back` (x, z), `depth` metres outward from the street.

    `pitch` is the rise of the roof in metres, 0 for a flat one.
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
    """A house that faces the camera, from x = `left` to `right`."""
    if pitch > 0:
        eaves = [(left - 0.3, height, z), (right + 0.3, height, z)]
        canvas.polygon(
            [*eaves, (right - 0.6, height + pitch, z), (left + 0.6, height + pitch, z)], facade.roof, label=BUILDING
        )
    draw_wall(canvas, (left, z), (right, z + 0.01), height, facade, 0.0)


def draw_tree(
    canvas: Canvas, x: float, z: float, height: float, radius: float, green: Color, clumps: Sequence[Sequence[float]]
) -> None:
    """A trunk, and a crown of clumps of leaves; the trunk is vegetation too, as in Cityscapes.

    Each clump is three numbers from 0 to 1: where it is, how large and how bright.
    """
    left, _ = canvas.camera.project(x - 1.3 * radius, 0, z)
    right, _ = canvas.camera.project(x + 1.3 * radius, 0, z)
    if right < 0 or left > 1:
        return
    if (right - left) * canvas.side < 16:
        clumps = clumps[::2]
    trunk = 0.06 * radius + 0.1
    bark = (92.0, 74.0, 56.0)
    middle = height - radius * 0.9
    shape = [(-trunk, 0.0), (-trunk * 0.7, middle), (trunk * 0.7, middle), (trunk, 0.0)]
    canvas.upright(x, 0, z, shape, bark, label=VEGETATION)
    canvas.ellipse(x, middle, z, radius * 0.85, radius * 0.85, _scaled(green, 0.72), label=VEGETATION)
    for index, (reach, size, tone) in enumerate(clumps):
        turn = 2.4 * index
        dx, dy = math.cos(turn) * radius * (0.35 + 0.4 * reach), math.sin(turn) * radius * (0.35 + 0.35 * reach)
        bright = 0.85 + 0.2 * tone + 0.16 * dy / radius + 0.12 * canvas.light.sun * dx / radius
        blob = radius * (0.3 + 0.25 * size)
        canvas.ellipse(x + dx, middle + dy, z, blob, blob * 0.9, _scaled(green, bright), label=VEGETATION)


def draw_hedge(canvas: Canvas, start: Point, end: Point, height: float, green: Color) -> None:
    """A clipped hedge between two ground points (x, z)."""
    (x0, z0), (x1, z1) = start, end
    z0 = max(z0, NEAR)
    canvas.polygon([(x0, 0, z0), (x0, height, z0), (x1, height, z1), (x1, 0, z1)], green, label=VEGETATION)
    top = _scaled(green, 1.22)
    canvas.polygon([(x0, height * 0.8, z0), (x0, height, z0), (x1, height, z1), (x1, height * 0.8, z1)], top)


def draw_car(canvas: Canvas, x: float, z: float, paint: Color, *, tall: float, away: bool, turn: float) -> None:
    """A car that drives along z, from behind (`away`) or from the front; `turn` is its drift in x per metre of z."""
    length, half = 4.2, 0.92
    roof = 0.78 * half
    glass, tyre = (52.0, 62.0, 74.0), (26.0, 26.0, 28.0)
    front, back = (0.5, 3.0) if away else (1.3, 3.9)
    if tall > 1.8:
        front, back = (0.1, 3.4) if away else (0.8, 4.1)

    def at(dx: float, y: float, along: float) -> tuple[float, float, float]:
        return x + dx + turn * along, y, z + along

    under = [at(-1.1, 0, -0.3), at(1.1, 0, -0.3), at(1.1, 0, length + 0.3), at(-1.1, 0, length + 0.3)]
    canvas.polygon(under, (42.0, 42.0, 46.0))
    side = 0.0
    if abs(x) > half:
        side = -math.copysign(half, x)
    if side:
        facing = math.copysign(1.0, side)
        body = [at(side, 0.25, 0), at(side, 0.95, 0), at(side, 0.95, length), at(side, 0.25, length)]
        canvas.polygon(body, _scaled(paint, 0.84), label=CAR, facing=facing)
        for axle in (0.85, length - 0.85):
            wheel = [at(side, 0.33 + 0.33 * math.sin(a), axle + 0.36 * math.cos(a)) for a in np.arange(0, 6.2, 0.785)]
            canvas.polygon(wheel, tyre, label=CAR)
    deck = [at(-half, 0.95, 0), at(half, 0.95, 0), at(half, 0.95, length), at(-half, 0.95, length)]
    canvas.polygon(deck, _scaled(paint, 1.12), label=CAR)
    if side:
        inner = side / half * roof
        cabin = [at(side, 0.93, front - 0.4), at(inner, tall, front), at(inner, tall, back), at(side, 0.93, back + 0.4)]
        canvas.polygon(cabin, _scaled(paint, 0.84), label=CAR)
        pane = [at(side * 0.97, 1.02, front), at(inner, tall - 0.1, front + 0.25), at(inner, tall - 0.1, back - 0.25)]
        canvas.polygon([*pane, at(side * 0.97, 1.02, back)], glass)
    top = [at(-roof, tall, front), at(roof, tall, front), at(roof, tall, back), at(-roof, tall, back)]
    canvas.polygon(top, _scaled(paint, 1.15), label=CAR)
    rear = [at(-half, 0.93, front - 0.4), at(-roof, tall, front), at(roof, tall, front), at(half, 0.93, front - 0.4)]
    canvas.polygon(rear, paint, label=CAR)
    screen = [
        at(-0.74, 1.0, front - 0.35),
        at(-0.62, tall - 0.1, front),
        at(0.62, tall - 0.1, front),
        at(0.74, 1.0, front - 0.35),
    ]
    canvas.polygon(screen, glass)
    for dx in (-0.74, 0.74):
        canvas.upright(x + dx, 0, z, [(-0.16, 0), (-0.16, 0.4), (0.16, 0.4), (0.16, 0)], tyre, label=CAR)
    canvas.upright(x, 0, z, [(-half, 0.25), (-half, 0.95), (half, 0.95), (half, 0.25)], paint, label=CAR)
    canvas.upright(x, 0, z, [(-half, 0.25), (-half, 0.42), (half, 0.42), (half, 0.25)], _scaled(paint, 0.5))
    lamp = (214.0, 34.0, 30.0) if away else (250.0, 244.0, 214.0)
    for dx in (-0.68, 0.68):
        canvas.upright(x + dx, 0.6, z, [(-0.2, 0), (-0.2, 0.22), (0.2, 0.22), (0.2, 0)], lamp)
    canvas.upright(x, 0.45, z, [(-0.27, 0), (-0.27, 0.14), (0.27, 0.14), (0.27, 0)], (228.0, 228.0, 220.0))


def draw_car_across(canvas: Canvas, x: float, z: float, paint: Color, *, tall: float, heading: float) -> None:
    """A car seen from its side, its nose to the left (`heading` -1) or the right (1)."""
    glass, tyre = (58.0, 70.0, 84.0), (26.0, 26.0, 28.0)
    canvas.polygon(
        [(x - 2.3, 0, z - 0.3), (x + 2.3, 0, z - 0.3), (x + 2.3, 0, z + 1), (x - 2.3, 0, z + 1)], (44.0, 44.0, 48.0)
    )
    body = [(-2.1, 0.25), (-2.12, 0.8), (-1.9, 0.98), (1.2, 0.98), (2.0, 0.85), (2.12, 0.6), (2.1, 0.25)]
    nose = 0.55 if tall < 1.8 else 1.35
    cabin = [(-1.95, 0.95), (-1.6, tall), (nose, tall), (nose + 0.75, 0.95)]
    panes = [
        [(-1.68, 1.03), (-1.42, tall - 0.12), (-0.5, tall - 0.12), (-0.5, 1.03)],
        [(-0.38, 1.03), (-0.38, tall - 0.12), (nose - 0.05, tall - 0.12), (nose + 0.5, 1.03)],
    ]
    for shape, color, label in (
        (body, paint, CAR),
        (cabin, _scaled(paint, 0.95), CAR),
        *((p, glass, None) for p in panes),
    ):
        canvas.upright(x, 0, z, [(dx * heading, dy) for dx, dy in shape], color, label=label)
    canvas.upright(x, 0, z, [(-2.08, 0.25), (-2.08, 0.42), (2.08, 0.42), (2.08, 0.25)], _scaled(paint, 0.6))
    for dx in (-1.3, 1.3):
        canvas.ellipse(x + dx, 0.35, z, 0.38, 0.38, tyre, label=CAR)
        canvas.ellipse(x + dx, 0.35, z, 0.18, 0.18, (150.0, 150.0, 154.0))


def draw_person(
    canvas: Canvas, x: float, z: float, height: float, coat: Color, trousers: Color, skin: Color, stride: float
) -> None:
    """A person on foot; `stride` in metres parts the legs."""
    h = height
    hair = _scaled(skin, 0.32)
    canvas.polygon(
        [(x - 0.4, 0, z - 0.2), (x + 0.4, 0, z - 0.2), (x + 0.5, 0, z + 0.3), (x - 0.3, 0, z + 0.3)], (70.0, 68.0, 70.0)
    )
    for foot in (-1, 1):
        reach = foot * (0.1 + stride)
        leg = [(foot * 0.2, 0.5 * h), (foot * 0.01, 0.5 * h), (reach - 0.11, 0), (reach + 0.11, 0)]
        canvas.upright(x, 0, z, leg, _scaled(trousers, 1.0 if foot > 0 else 0.85), label=PERSON)
    arms = [(-0.24, 0.8 * h), (-0.36, 0.5 * h), (-0.24, 0.46 * h), (0.24, 0.46 * h), (0.36, 0.5 * h), (0.24, 0.8 * h)]
    canvas.upright(x, 0, z, arms, _scaled(coat, 0.86), label=PERSON)
    torso = [(-0.22, 0.83 * h), (-0.2, 0.45 * h), (0.2, 0.45 * h), (0.22, 0.83 * h)]
    canvas.upright(x, 0, z, torso, coat, label=PERSON)
    canvas.ellipse(x, 0.915 * h, z, 0.14, 0.085 * h, hair, label=PERSON)
    canvas.ellipse(x, 0.895 * h, z, 0.115, 0.062 * h, skin)


def draw_pole(canvas: Canvas, x: float, z: float, height: float, width: float, color: Color, arm: float) -> None:
    """A lamp post whose arm reaches `arm` metres to the side (0: none); all of it is pole."""
    half = max(width / 2, 0.009 * z / canvas.camera.focal)
    canvas.upright(x, 0, z, [(-half, 0), (-half, height), (half, height), (half, 0)], color, label=POLE)
    canvas.upright(
        x, 0, z, [(0, 0), (0, height), (half, height), (half, 0)], _scaled(color, 1.3 if canvas.light.sun > 0 else 0.7)
    )
    if arm:
        thick = half * 0.9
        canvas.upright(
            x, height, z, [(0, -thick), (0, thick), (arm, thick + 0.2), (arm, 0.2 - thick)], color, label=POLE
        )
        head = [(arm * 0.75, 0.2 + thick), (arm * 0.75, -0.2), (arm * 1.3, -0.1), (arm * 1.3, 0.2 + thick)]
        canvas.upright(x, height, z, head, _scaled(color, 0.8), label=POLE)
    canvas.upright(
        x, 0, z, [(-half * 1.7, 0), (-half * 1.7, 0.5), (half * 1.7, 0.5), (half * 1.7, 0)], color, label=POLE
    )


def _scaled(color: Color, factor: float) -> Color:
    r, g, b = color
    return min(255.0, r * factor), min(255.0, g * factor), min(255.0, b * factor)
