"""Cars of a drawn street, seen from the front, from behind or from the side.

Outlines go into labels and photo, details into the photo alone, so that the two stay aligned. Lengths are in metres.
"""

import math

import numpy as np

from cyclegan_jax.data.streets.canvas import CAR, Canvas, Color, scaled


def draw_car(canvas: Canvas, x: float, z: float, paint: Color, *, tall: float, away: bool, turn: float) -> None:
    """Draw a car that drives along z, seen from behind (`away`) or from the front, at (x, z) on the ground.

    `tall` is its height in metres; above 1.8 it is a van. `turn` is how far it shifts in x per metre of z, on a bend.
    """
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
    side = 0.0  # the x offset of the flank that the camera sees; none if the car is straight ahead
    if abs(x) > half:
        side = -math.copysign(half, x)
    if side:
        facing = math.copysign(1.0, side)
        body = [at(side, 0.25, 0), at(side, 0.95, 0), at(side, 0.95, length), at(side, 0.25, length)]
        canvas.polygon(body, scaled(paint, 0.84), label=CAR, facing=facing)
        for axle in (0.85, length - 0.85):
            wheel = [at(side, 0.33 + 0.33 * math.sin(a), axle + 0.36 * math.cos(a)) for a in np.arange(0, 6.2, 0.785)]
            canvas.polygon(wheel, tyre, label=CAR)
    deck = [at(-half, 0.95, 0), at(half, 0.95, 0), at(half, 0.95, length), at(-half, 0.95, length)]
    canvas.polygon(deck, scaled(paint, 1.12), label=CAR)
    if side:
        inner = side / half * roof
        cabin = [at(side, 0.93, front - 0.4), at(inner, tall, front), at(inner, tall, back), at(side, 0.93, back + 0.4)]
        canvas.polygon(cabin, scaled(paint, 0.84), label=CAR)
        pane = [at(side * 0.97, 1.02, front), at(inner, tall - 0.1, front + 0.25), at(inner, tall - 0.1, back - 0.25)]
        canvas.polygon([*pane, at(side * 0.97, 1.02, back)], glass)
    top = [at(-roof, tall, front), at(roof, tall, front), at(roof, tall, back), at(-roof, tall, back)]
    canvas.polygon(top, scaled(paint, 1.15), label=CAR)
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
    canvas.upright(x, 0, z, [(-half, 0.25), (-half, 0.42), (half, 0.42), (half, 0.25)], scaled(paint, 0.5))
    lamp = (214.0, 34.0, 30.0) if away else (250.0, 244.0, 214.0)
    for dx in (-0.68, 0.68):
        canvas.upright(x + dx, 0.6, z, [(-0.2, 0), (-0.2, 0.22), (0.2, 0.22), (0.2, 0)], lamp)
    canvas.upright(x, 0.45, z, [(-0.27, 0), (-0.27, 0.14), (0.27, 0.14), (0.27, 0)], (228.0, 228.0, 220.0))


def draw_car_across(canvas: Canvas, x: float, z: float, paint: Color, *, tall: float, heading: float) -> None:
    """Draw a car seen from its side, its nose to the left (`heading` -1) or the right (1)."""
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
        (cabin, scaled(paint, 0.95), CAR),
        *((p, glass, None) for p in panes),
    ):
        canvas.upright(x, 0, z, [(dx * heading, dy) for dx, dy in shape], color, label=label)
    canvas.upright(x, 0, z, [(-2.08, 0.25), (-2.08, 0.42), (2.08, 0.42), (2.08, 0.25)], scaled(paint, 0.6))
    for dx in (-1.3, 1.3):
        canvas.ellipse(x + dx, 0.35, z, 0.38, 0.38, tyre, label=CAR)
        canvas.ellipse(x + dx, 0.35, z, 0.18, 0.18, (150.0, 150.0, 154.0))
