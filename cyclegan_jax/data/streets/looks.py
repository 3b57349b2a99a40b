"""Single things of a drawn street with random looks: their colours and sizes, ready to be painted.

Every function draws from the random generator in a fixed order: another order, or one number more, changes all scenes.
"""

import functools
from collections.abc import Callable
from typing import Final

import numpy as np

from cyclegan_jax.data.streets import cars, trees_people_poles
from cyclegan_jax.data.streets.buildings import Facade
from cyclegan_jax.data.streets.canvas import Canvas, Color
from cyclegan_jax.data.streets.texture import Street

Item = tuple[float, Callable[[Canvas], None]]
"""The depth of a thing, by which things are ordered, and the function that paints it."""

WALLS: Final[tuple[Color, ...]] = (
    (158, 84, 66), (142, 74, 58), (178, 110, 82), (214, 190, 148), (204, 170, 118), (226, 208, 176),
    (196, 148, 112), (170, 124, 100), (212, 158, 128), (186, 152, 96), (150, 102, 84), (222, 186, 132),
    (188, 180, 170), (226, 222, 210), (176, 186, 178),
)  # fmt: skip
ROOFS: Final[tuple[Color, ...]] = ((132, 62, 48), (112, 58, 46), (96, 60, 50), (150, 78, 56))
AWNINGS: Final[tuple[Color, ...]] = ((168, 52, 44), (46, 104, 82), (206, 160, 60), (120, 40, 52))
PAINTS: Final[tuple[Color, ...]] = (
    (196, 30, 34), (24, 62, 168), (232, 184, 30), (18, 120, 168), (150, 18, 40), (30, 40, 110),
    (236, 236, 240), (222, 98, 24), (40, 44, 52), (70, 150, 220),
)  # fmt: skip
COATS: Final[tuple[Color, ...]] = (
    (206, 44, 70), (236, 120, 150), (150, 48, 140), (244, 176, 40), (58, 74, 150), (226, 80, 40), (40, 150, 150),
    (240, 236, 228),
)  # fmt: skip
TROUSERS: Final[tuple[Color, ...]] = ((40, 48, 84), (34, 34, 40), (84, 70, 60), (58, 76, 122))
SKINS: Final[tuple[Color, ...]] = ((236, 188, 160), (214, 160, 124), (150, 102, 74), (106, 72, 54))
POLES: Final[tuple[Color, ...]] = ((50, 58, 56), (60, 62, 66), (40, 50, 46))


def pick(rng: np.random.Generator, choices: tuple[Color, ...], spread: float = 0.08) -> Color:
    """Choose a colour, and vary its brightness and each channel by up to a fraction `spread`."""
    base = choices[int(rng.random() * len(choices))]
    tone, *shift = (1 + spread * (2 * rng.random(4) - 1)).tolist()
    return base[0] * tone * shift[0], base[1] * tone * shift[1], base[2] * tone * shift[2]


def green(rng: np.random.Generator) -> Color:
    """Choose a colour of leaves."""
    warm = rng.random()
    tone = rng.uniform(0.85, 1.15)
    return (54 + 42 * warm) * tone, (118 + 14 * warm) * tone, (44 - 4 * warm) * tone


def facade(rng: np.random.Generator, shops: float) -> Facade:
    """Choose the look of a building, with a shop at a probability of `shops`."""
    dice = rng.random(24)
    glass = 55 + 35 * dice[0]
    frame = (232.0, 226.0, 214.0) if dice[1] < 0.6 else (84.0, 60.0, 50.0)
    return Facade(
        wall=pick(rng, WALLS),
        roof=pick(rng, ROOFS),
        glass=(0.8 * glass, 0.95 * glass, 1.2 * glass),
        frame=frame,
        spacing=2.2 + 1.4 * dice[2],
        storey=2.8 + 0.7 * dice[3],
        window=(0.42 + 0.22 * dice[4], 0.45 + 0.14 * dice[5]),
        shop=pick(rng, AWNINGS) if dice[6] < shops else None,
        dice=tuple(dice.tolist()),
    )


def tree(rng: np.random.Generator, x: float, z: float, height: float) -> Item:
    """Choose the look of a tree; one nearer than 3 m would fill the picture and is left out."""
    if z < 3.0:
        return z, lambda canvas: None
    radius = height * rng.uniform(0.28, 0.38)
    clumps = rng.random((9, 3)).tolist()
    return z, functools.partial(
        trees_people_poles.draw_tree, x=x, z=z, height=height, radius=radius, green=green(rng), clumps=clumps
    )


def car(rng: np.random.Generator, street: Street, lateral: float, along: float, *, away: bool) -> Item:
    """Choose the look of a car that drives along the street and follows its bend."""
    x, z = street.place(lateral, along)
    turn = (street.place(lateral, along + 4)[0] - x) / 4
    tall = (1.45, 1.5, 1.7, 2.1)[int(rng.random() * 4)]
    return z, functools.partial(cars.draw_car, x=x, z=z, paint=pick(rng, PAINTS), tall=tall, away=away, turn=turn)


def car_across(rng: np.random.Generator, x: float, z: float, heading: float = 1.0) -> Item:
    """Choose the look of a car that is seen from its side."""
    tall = (1.45, 1.5, 1.7, 2.1)[int(rng.random() * 4)]
    return z, functools.partial(cars.draw_car_across, x=x, z=z, paint=pick(rng, PAINTS), tall=tall, heading=heading)


def person(rng: np.random.Generator, x: float, z: float) -> Item:
    """Choose the look of a person."""
    coat, trousers, skin = pick(rng, COATS), pick(rng, TROUSERS), pick(rng, SKINS)
    height, stride = rng.uniform(1.55, 1.9), rng.uniform(0, 0.2)
    return z, functools.partial(
        trees_people_poles.draw_person, x=x, z=z, height=height, coat=coat, trousers=trousers, skin=skin, stride=stride
    )


def pole(x: float, z: float, height: float, width: float, color: Color, arm: float) -> Item:
    """Return a lamp post; nothing about it is random, since the lamp posts of a street are alike."""
    return z, functools.partial(
        trees_people_poles.draw_pole, x=x, z=z, height=height, width=width, color=color, arm=arm
    )
