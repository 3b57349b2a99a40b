"""The plan of a drawn street: the ground, and what stands where on it, with depths.

Every function draws from the random generator in a fixed order: another order, or one number more, changes all scenes.
"""

import functools

import numpy as np

from cyclegan_jax.data.streets import buildings, looks, trees_people_poles
from cyclegan_jax.data.streets.canvas import NEAR, SIDEWALK, VEGETATION, Camera, Canvas, Color
from cyclegan_jax.data.streets.looks import Item
from cyclegan_jax.data.streets.texture import Street


def _street(rng: np.random.Generator, *, across: float | None, kinds: tuple[str, str]) -> Street:
    """Draw the ground plan; `kinds` are what lies on the left (or near) and the right (or far) side."""
    widths, beyond = [], []
    for kind in kinds:
        bare = rng.random() < (0.5 if kind == "park" else 0.12)
        widths.append(0.0 if bare else rng.uniform(1.6, 4.5))
        beyond.append(SIDEWALK if kind in ("square", "city") else VEGETATION)
    half = rng.uniform(2.6, 4.8)
    gray, warm = rng.uniform(80, 108), rng.uniform(-4, 4)
    tan, rosy = rng.uniform(176, 204), rng.uniform(0, 10)
    grass, dry = rng.uniform(0.85, 1.1), rng.uniform(0, 24)
    zebra = rng.uniform(8, 20) if across is None and rng.random() < 0.25 else None
    reach = half + 8.0
    # One number decides between a shadow on the left, on the right and none; a limit of 9 reaches is out of sight.
    dark = rng.random()
    shadow = (-rng.uniform(0, half) if dark < 0.22 else -reach * 9, rng.uniform(0, half) if dark > 0.78 else reach * 9)
    junction = None
    if across is None and rng.random() < 0.35:
        start = rng.uniform(9, 26)
        junction = (start, start + rng.uniform(6, 10))
    return Street(
        half_width=half,
        pavements=(widths[0], widths[1]),
        beyond=(beyond[0], beyond[1]),
        offset=rng.uniform(-half - 1.2, half + 1.2),
        bend=rng.uniform(-0.006, 0.006) if rng.random() < 0.5 else 0.0,
        across=across,
        tilt=rng.uniform(-0.3, 0.3) if across is not None else 0.0,
        junction=junction,
        zebra=zebra,
        centre_line=bool(rng.random() < 0.75),
        asphalt=(gray + warm, gray, gray - warm + 3),
        paving=(tan + rosy, tan - 8, tan - 26 - rosy),
        grass=((82 + dry) * grass, 138 * grass, 54 * grass),
        tile=rng.uniform(0.7, 1.3),
        shadow=shadow,
    )


def plan_along(rng: np.random.Generator, camera: Camera) -> tuple[Street, list[Item]]:
    """Plan a street that runs away from the camera."""
    kinds = tuple(
        ("city", "suburb", "park", "square")[int(rng.choice(4, p=(0.36, 0.26, 0.24, 0.14)))] for _ in range(2)
    )
    street = _street(rng, across=None, kinds=(kinds[0], kinds[1]))
    end = rng.uniform(26, 48) if rng.random() < 0.25 else 95.0
    items = _skyline(rng, end)
    tallness = rng.uniform(4, 17)
    for side, kind in zip((-1, 1), kinds, strict=True):
        items += _along_side(rng, street, side, kind, tallness, end)
    items += _traffic(rng, street)
    items += _pedestrians(rng, street, camera)
    items += _lamp_posts(rng, street, end)
    return street, items


def _traffic(rng: np.random.Generator, street: Street) -> list[Item]:
    """Place driving and parked cars, and cars on the crossing street of a junction."""
    items: list[Item] = []
    count = int(rng.integers(2, 6))
    depth = rng.uniform(6, 9)
    for _ in range(count):
        lane = 1 if rng.random() < 0.5 else -1
        parked = rng.random() < 0.35
        lateral = lane * (street.half_width - 1.1 if parked else street.half_width * rng.uniform(0.38, 0.5))
        if not _inside(street.junction, depth, 5.0) or not parked:
            items.append(looks.car(rng, street, lateral, depth, away=lane > 0))
        depth += rng.uniform(4.8, 10)
    if street.junction is not None:
        start, stop = street.junction
        for _ in range(int(rng.integers(0, 3))):
            x, z = street.place(rng.uniform(-14, 14), rng.uniform(start + 1.5, stop - 1.5))
            items.append(looks.car_across(rng, x, z))
    return items


def _pedestrians(rng: np.random.Generator, street: Street, camera: Camera) -> list[Item]:
    """Place people on the pavements and on the zebra crossing, in view of the camera."""
    items: list[Item] = []
    for _ in range(int(rng.integers(6, 14))):
        side = 1 if rng.random() < 0.5 else -1
        width = street.pavements[(side + 1) // 2]
        z = rng.uniform(5.5, 15)
        on_zebra = street.zebra is not None and rng.random() < 0.4
        if on_zebra and street.zebra is not None:
            lateral, z = rng.uniform(-0.8, 0.8) * street.half_width, street.zebra + rng.uniform(0.5, 2.5)
        elif width > 0:
            lateral = side * (street.half_width + rng.uniform(0.4, max(0.6, width - 0.3)))
        else:
            continue
        if _visible(camera, street.place(lateral, z)):
            items.append(looks.person(rng, *street.place(lateral, z)))
    return items


def _lamp_posts(rng: np.random.Generator, street: Street, end: float) -> list[Item]:
    """Place a row of equal lamp posts on both sides, on one, or on none."""
    items: list[Item] = []
    for side in (-1, 1):
        if rng.random() < 0.4:
            continue
        depth, gap = rng.uniform(7, 12), rng.uniform(7, 12)
        height, color = rng.uniform(4.0, 6.5), looks.pick(rng, looks.POLES)
        arm = -side * rng.uniform(0.8, 1.8) if rng.random() < 0.75 else 0.0
        while depth < min(28, end - 2):
            if not _inside(street.junction, depth, 0.5):
                x, z = street.place(side * (street.half_width + 0.45), depth)
                items.append(looks.pole(x, z, height, 0.24, color, arm))
            depth += gap
    return items


def _along_side(
    rng: np.random.Generator, street: Street, side: int, kind: str, tallness: float, end: float
) -> list[Item]:
    """Place houses, hedges and trees on one side of a street that runs away from the camera."""
    items: list[Item] = []
    edge = street.half_width + street.pavements[(side + 1) // 2]
    if kind in ("city", "suburb"):
        front = edge + (0.3 if kind == "city" else rng.uniform(2.5, 6))
        depth = rng.uniform(-4, 1.5) if rng.random() < 0.75 else rng.uniform(8, 20)
        while depth < min(80.0, end):
            length = rng.uniform(7, 15)
            height = max(3.2, tallness * rng.uniform(0.7, 1.35) if kind == "city" else rng.uniform(3.2, 6.5))
            pitch = rng.uniform(1.5, 3) if kind == "suburb" or (height < 8 and rng.random() < 0.5) else 0.0
            if not _inside(street.junction, depth + length / 2, length / 2 + 3):
                corner, back = street.place(side * front, depth), street.place(side * front, depth + length)
                paint = functools.partial(
                    buildings.draw_building, corner=corner, back=back, depth=side * rng.uniform(8, 12), height=height,
                    facade=looks.facade(rng, 0.4 if kind == "city" else 0.0), pitch=pitch,
                )  # fmt: skip
                # A gable end just in front of the camera would fill the picture with bare wall.
                if back[1] > NEAR and not 2.0 < depth < 6.0:
                    items.append((back[1], paint))
            depth += length + (rng.uniform(3, 9) if kind == "suburb" else (4.0 if rng.random() < 0.15 else 0.0))
    if kind == "square":
        far = rng.uniform(24, 50)
        items += _fronts(rng, side * edge, side * 60.0, far, tallness)
    hedge = {"park": 0.45, "suburb": 0.45}.get(kind, 0.0)
    if rng.random() < hedge:
        tall, green = rng.uniform(0.8, 1.6), looks.green(rng)
        for near in range(2, 60, 6):
            if near > end or _inside(street.junction, near + 3, 5.5):
                continue
            start, stop = (street.place(side * (edge + 0.5), d) for d in (float(near), near + 6.0))
            items.append(
                (
                    stop[1],
                    functools.partial(trees_people_poles.draw_hedge, start=start, end=stop, height=tall, green=green),
                )
            )
    rows = {"park": 0.95, "suburb": 0.7, "city": 0.35, "square": 0.3}[kind]
    if rng.random() < rows:
        depth, gap = rng.uniform(5, 12), rng.uniform(4, 9)
        grown = rng.uniform(3.5, 8) if kind != "city" else rng.uniform(3.5, 5.5)
        while depth < min(70.0, end):
            lateral = edge + (
                rng.uniform(1.0, 9.0) if kind == "park" else rng.uniform(0.6, 1.6) if kind != "city" else -0.5
            )
            if not _inside(street.junction, depth, 2.5):
                items.append(looks.tree(rng, *street.place(side * lateral, depth), grown * rng.uniform(0.85, 1.2)))
            depth += gap * rng.uniform(0.7, 1.3)
    return items


def plan_across(rng: np.random.Generator) -> tuple[Street, list[Item]]:
    """Plan a street that crosses the view, with houses or a park behind it."""
    distance = rng.uniform(9, 15)
    kind = "city" if rng.random() < 0.6 else "park"
    street = _street(rng, across=distance, kinds=("city" if rng.random() < 0.7 else "park", kind))
    behind = street.half_width + street.pavements[1] + 0.5
    items = _skyline(rng, 95.0)
    if kind == "city":
        items += _fronts(rng, -40.0, 40.0, distance + behind + 12 * abs(street.tilt) + 0.5, rng.uniform(4, 11))
    for _ in range(int(rng.integers(2, 9)) if kind == "park" else int(rng.integers(0, 4))):
        x, z = street.place(behind + (rng.uniform(0.5, 12) if kind == "park" else -0.8), rng.uniform(-16, 16))
        items.append(looks.tree(rng, x, z, rng.uniform(3.5, 7.5)))
    place = rng.uniform(-9, -2)
    for _ in range(int(rng.integers(1, 5))):
        lane = 1 if rng.random() < 0.5 else -1
        x, z = street.place(lane * street.half_width * 0.5, place)
        items.append(looks.car_across(rng, x, z, heading=-lane))
        place += rng.uniform(4.7, 9)
    for _ in range(int(rng.integers(3, 9))):
        side = 1 if rng.random() < 0.6 or distance < 11 else -1
        x, z = street.place(side * (street.half_width + rng.uniform(0.4, 1.6)), rng.uniform(-6, 6))
        items.append(looks.person(rng, x, max(z, 5.0)))
    height, color, gap = rng.uniform(4, 6.5), looks.pick(rng, looks.POLES), rng.uniform(4, 9)
    side = 1 if rng.random() < 0.5 else -1
    for index in range(-1, 2):
        x, z = street.place(side * (street.half_width + 0.45), index * gap + rng.uniform(-1, 1))
        items.append(looks.pole(x, max(z, 4.0), height, 0.26, color, rng.uniform(0.8, 1.4)))
    return street, items


def _skyline(rng: np.random.Generator, end: float) -> list[Item]:
    """Close the view: with far roofs or woods, or, if the street ends at `end` < 90 m, a row of houses or trees."""
    if end < 90:
        if rng.random() < 0.6:
            return _fronts(rng, -60.0, 60.0, end, rng.uniform(4, 10))
        return [
            looks.tree(rng, x + rng.uniform(-1, 1), end + rng.uniform(0, 6), rng.uniform(4, 8))
            for x in range(-30, 31, 3)
        ]
    if rng.random() < 0.5:
        return _fronts(rng, -80.0, 80.0, end, rng.uniform(5, 16))
    items: list[Item] = []
    x = -80.0
    while x < 80:
        width, bumps = rng.uniform(8, 16), rng.uniform(3, 8, 7).tolist()
        items.append(
            (end, functools.partial(_paint_wood, left=x, right=x + width, z=end, tops=bumps, green=looks.green(rng)))
        )
        x += width
    return items


def _paint_wood(canvas: Canvas, left: float, right: float, z: float, tops: list[float], green: Color) -> None:
    step = (right - left) / (len(tops) - 1)
    outline = [(left + step * index, top, z) for index, top in enumerate(tops)]
    canvas.polygon([(left, -1.0, z), *outline, (right, -1.0, z)], green, label=VEGETATION)


def _fronts(rng: np.random.Generator, start: float, stop: float, z: float, tallness: float) -> list[Item]:
    """Place a row of houses that face the camera, between two x."""
    items: list[Item] = []
    left, right = min(start, stop), max(start, stop)
    while left < right:
        width = rng.uniform(7, 14)
        height = max(3.2, tallness * rng.uniform(0.7, 1.3))
        pitch = rng.uniform(1.5, 3) if height < 8 and rng.random() < 0.6 else 0.0
        paint = functools.partial(
            buildings.draw_front,
            left=left,
            right=left + width,
            z=z,
            height=height,
            facade=looks.facade(rng, 0.4),
            pitch=pitch,
        )
        if rng.random() < 0.9:
            items.append((z, paint))
        left += width
    return items


def _inside(stretch: tuple[float, float] | None, along: float, margin: float) -> bool:
    """Return whether a place along the street lies in a stretch (a junction) or less than `margin` beside it."""
    return stretch is not None and stretch[0] - margin < along < stretch[1] + margin


def _visible(camera: Camera, place: tuple[float, float]) -> bool:
    """Return whether a ground point (x, z) lies between the left and the right edge of the picture."""
    return 0.0 < camera.project(place[0], 1.0, place[1])[0] < 1.0
