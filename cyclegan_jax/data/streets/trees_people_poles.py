"""Trees, hedges, people and lamp posts of a drawn street.

Each function draws the outline of a thing into labels and photo, and its details into the photo alone, so that the two
stay aligned.
"""

import math
from collections.abc import Sequence

from cyclegan_jax.data.streets.canvas import NEAR, PERSON, POLE, VEGETATION, Canvas, Color, Point, scaled


def draw_tree(
    canvas: Canvas, x: float, z: float, height: float, radius: float, green: Color, clumps: Sequence[Sequence[float]]
) -> None:
    """Draw a trunk and a crown of clumps of leaves; both are labelled vegetation, as in Cityscapes.

    Each clump is three numbers from 0 to 1: its distance from the middle, its size and its brightness.
    """
    left, _ = canvas.camera.project(x - 1.3 * radius, 0, z)
    right, _ = canvas.camera.project(x + 1.3 * radius, 0, z)
    if right < 0 or left > 1:
        return
    if (right - left) * canvas.side < 16:
        clumps = clumps[::2]  # below 16 pixels, half of the clumps look the same and take half of the time
    trunk = 0.06 * radius + 0.1
    bark = (92.0, 74.0, 56.0)
    middle = height - radius * 0.9
    shape = [(-trunk, 0.0), (-trunk * 0.7, middle), (trunk * 0.7, middle), (trunk, 0.0)]
    canvas.upright(x, 0, z, shape, bark, label=VEGETATION)
    canvas.ellipse(x, middle, z, radius * 0.85, radius * 0.85, scaled(green, 0.72), label=VEGETATION)
    for index, (reach, size, tone) in enumerate(clumps):
        turn = 2.4 * index  # the golden angle spreads any number of clumps evenly around the middle
        dx, dy = math.cos(turn) * radius * (0.35 + 0.4 * reach), math.sin(turn) * radius * (0.35 + 0.35 * reach)
        bright = 0.85 + 0.2 * tone + 0.16 * dy / radius + 0.12 * canvas.light.sun * dx / radius
        blob = radius * (0.3 + 0.25 * size)
        canvas.ellipse(x + dx, middle + dy, z, blob, blob * 0.9, scaled(green, bright), label=VEGETATION)


def draw_hedge(canvas: Canvas, start: Point, end: Point, height: float, green: Color) -> None:
    """Draw a clipped hedge between two ground points (x, z)."""
    (x0, z0), (x1, z1) = start, end
    z0 = max(z0, NEAR)
    canvas.polygon([(x0, 0, z0), (x0, height, z0), (x1, height, z1), (x1, 0, z1)], green, label=VEGETATION)
    top = scaled(green, 1.22)
    canvas.polygon([(x0, height * 0.8, z0), (x0, height, z0), (x1, height, z1), (x1, height * 0.8, z1)], top)


def draw_person(
    canvas: Canvas, x: float, z: float, height: float, coat: Color, trousers: Color, skin: Color, stride: float
) -> None:
    """Draw a person on foot; `stride` is how far the legs are apart, in metres."""
    h = height
    hair = scaled(skin, 0.32)
    canvas.polygon(
        [(x - 0.4, 0, z - 0.2), (x + 0.4, 0, z - 0.2), (x + 0.5, 0, z + 0.3), (x - 0.3, 0, z + 0.3)], (70.0, 68.0, 70.0)
    )
    for foot in (-1, 1):
        reach = foot * (0.1 + stride)
        leg = [(foot * 0.2, 0.5 * h), (foot * 0.01, 0.5 * h), (reach - 0.11, 0), (reach + 0.11, 0)]
        canvas.upright(x, 0, z, leg, scaled(trousers, 1.0 if foot > 0 else 0.85), label=PERSON)
    arms = [(-0.24, 0.8 * h), (-0.36, 0.5 * h), (-0.24, 0.46 * h), (0.24, 0.46 * h), (0.36, 0.5 * h), (0.24, 0.8 * h)]
    canvas.upright(x, 0, z, arms, scaled(coat, 0.86), label=PERSON)
    torso = [(-0.22, 0.83 * h), (-0.2, 0.45 * h), (0.2, 0.45 * h), (0.22, 0.83 * h)]
    canvas.upright(x, 0, z, torso, coat, label=PERSON)
    canvas.ellipse(x, 0.915 * h, z, 0.14, 0.085 * h, hair, label=PERSON)
    canvas.ellipse(x, 0.895 * h, z, 0.115, 0.062 * h, skin)


def draw_pole(canvas: Canvas, x: float, z: float, height: float, width: float, color: Color, arm: float) -> None:
    """Draw a lamp post whose arm reaches `arm` metres to the side (0: none); all of it is labelled pole."""
    # At least 0.9 % of the picture wide, or distant poles would vanish from labels of 128 pixels.
    half = max(width / 2, 0.009 * z / canvas.camera.focal)
    canvas.upright(x, 0, z, [(-half, 0), (-half, height), (half, height), (half, 0)], color, label=POLE)
    canvas.upright(
        x, 0, z, [(0, 0), (0, height), (half, height), (half, 0)], scaled(color, 1.3 if canvas.light.sun > 0 else 0.7)
    )
    if arm:
        thick = half * 0.9
        canvas.upright(
            x, height, z, [(0, -thick), (0, thick), (arm, thick + 0.2), (arm, 0.2 - thick)], color, label=POLE
        )
        head = [(arm * 0.75, 0.2 + thick), (arm * 0.75, -0.2), (arm * 1.3, -0.1), (arm * 1.3, 0.2 + thick)]
        canvas.upright(x, height, z, head, scaled(color, 0.8), label=POLE)
    canvas.upright(
        x, 0, z, [(-half * 1.7, 0), (-half * 1.7, 0.5), (half * 1.7, 0.5), (half * 1.7, 0)], color, label=POLE
    )
