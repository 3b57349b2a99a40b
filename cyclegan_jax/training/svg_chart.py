"""Curves as inline SVG for a web page, whose style sheet gives them their colours in light and in dark."""

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

MOST_POINTS: Final = 200
"""Points of a curve; where more were logged, each stands for several: their mean, and a band from lowest to highest."""
COLOURS: Final = 4
"""Colours of curves in the style sheet, `.line0` to `.line3`; more curves than that repeat them."""
_SMOOTHED_SHARE: Final = 25
"""A drawn curve is the mean over one in so many of its points to either side."""

_WIDTH, _HEIGHT = 440, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 14, 10, 44
_TICKS: Final = 6
_SPIKES: Final = 0.05
"""The share of points that may lie outside a chart: a few spikes would flatten everything else."""


@dataclass(frozen=True)
class Curve:
    """A number over the steps.

    Attributes:
        name: what the legend calls it.
        steps: in rising order.
        values: one for each step.
    """

    name: str
    steps: Int[np.ndarray, " N"]
    values: Float[np.ndarray, " N"]


@dataclass(frozen=True)
class _Thinned:
    """The points of a curve that are drawn, each of which stands for one or several that were logged."""

    steps: Float[np.ndarray, " P"]
    smoothed: Float[np.ndarray, " P"]
    lowest: Float[np.ndarray, " P"]
    highest: Float[np.ndarray, " P"]


@dataclass(frozen=True)
class _Axes:
    """The ranges of a chart, and the places of steps and values in it."""

    first: float
    last: float
    low: float
    high: float

    def places(self, steps: ArrayLike, values: ArrayLike) -> list[str]:
        """The points as "x y". What lies outside is drawn at the edge."""
        along = (np.asarray(steps) - self.first) / (self.last - self.first)
        up = np.clip((np.asarray(values) - self.low) / (self.high - self.low), 0, 1)
        x = _LEFT + along * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)
        return [f"{a} {b}" for a, b in zip(x.round(1).tolist(), y.round(1).tolist(), strict=True)]


def chart(
    curves: Sequence[Curve], *, title: str, unit: str, from_zero: bool = True, levels: Mapping[str, float] | None = None
) -> str:
    """Draw curves over the steps.

    Args:
        curves: at least one, none of them empty.
        title: what they show, for readers of the page who cannot see it; the range of each curve follows.
        unit: the label of the vertical axis.
        from_zero: whether the vertical axis begins at 0, if no value is below.
        levels: values to mark by a dotted line over all steps, by name, such as the controls of a score.

    Returns:
        An `<svg>` element with the classes `axis`, `grid`, `band`, `line0` to `line3` and `level`.
    """
    thinned = [_thin(curve) for curve in curves]
    axes = _axes(thinned, list((levels or {}).values()), from_zero)
    said = "; ".join(_said(curve) for curve in curves)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(f"{title}: {said}")}">',
        *_frame(axes, unit),
        *(
            f'<path class="level" d="M{axes.places([axes.first], [value])[0]}H{_WIDTH - _RIGHT}"><title>'
            f"{html.escape(name)}: {value:.4g}</title></path>"
            for name, value in (levels or {}).items()
        ),
        # The bands first: none lies over a curve.
        *(_band(points, axes, f"line{number % COLOURS}") for number, points in enumerate(thinned)),
        *(_line(points, axes, f"line{number % COLOURS}") for number, points in enumerate(thinned)),
        "</svg>",
    ]
    return "".join(parts)


def _said(curve: Curve) -> str:
    steps = f"from step {curve.steps[0]:,} to {curve.steps[-1]:,}"
    return f"{curve.name} {curve.values[0]:.3g} to {curve.values[-1]:.3g} {steps}"


def _thin(curve: Curve) -> _Thinned:
    """Divide the points into at most `MOST_POINTS` groups of neighbours, and smooth their means."""
    edges = np.linspace(0, len(curve.steps), min(len(curve.steps), MOST_POINTS) + 1).astype(int)[:-1]
    sizes = np.diff([*edges, len(curve.steps)])
    means = np.add.reduceat(curve.values, edges) / sizes
    reach = len(means) // _SMOOTHED_SHARE
    # Sums up to each place, so that a mean over any window is a difference of two.
    sums = np.concatenate([[0.0], np.cumsum(means)])
    places = np.arange(len(means))
    # The window shrinks towards both ends, and so stays centred: the first and the last point are what they are.
    reaches = np.minimum(reach, np.minimum(places, len(means) - 1 - places))
    begin, end = places - reaches, places + reaches + 1
    return _Thinned(
        steps=np.add.reduceat(curve.steps.astype(float), edges) / sizes,
        smoothed=(sums[end] - sums[begin]) / (end - begin),
        lowest=np.minimum.reduceat(curve.values, edges),
        highest=np.maximum.reduceat(curve.values, edges),
    )


def _axes(thinned: Sequence[_Thinned], levels: Sequence[float], from_zero: bool) -> _Axes:
    first, last = min(points.steps[0] for points in thinned), max(points.steps[-1] for points in thinned)
    lowest = [np.append(points.smoothed, np.quantile(points.lowest, _SPIKES)) for points in thinned]
    highest = [np.append(points.smoothed, np.quantile(points.highest, 1 - _SPIKES)) for points in thinned]
    low, high = (
        float(choose(np.concatenate([*ends, levels]))) for choose, ends in ((np.min, lowest), (np.max, highest))
    )
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    low = 0.0 if from_zero and low >= 0 else low - margin
    return _Axes(float(first), float(max(last, first + 1)), low, high + margin)


def _frame(axes: _Axes, unit: str) -> Iterator[str]:
    """The grid, the numbers at both axes, and what they count."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    values = _ticks(axes.low, axes.high)
    for value, place in zip(values, axes.places([axes.first] * len(values), values), strict=True):
        y = float(place.split()[1])
        yield f'<path class="grid" d="M{place}H{right}"/>'
        yield f'<text class="axis" x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'
    steps = [step for step in _ticks(axes.first, axes.last) if step == int(step)]
    for step, place in zip(steps, axes.places(steps, [axes.low] * len(steps)), strict=True):
        x = float(place.split()[0])
        anchor = "end" if x > right - 20 else "middle"
        yield f'<text class="axis" x="{x}" y="{bottom + 18}" text-anchor="{anchor}">{_short(int(step))}</text>'
    yield f'<path class="frame" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
    yield f'<text class="axis" x="{(_LEFT + right) / 2:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">step</text>'
    middle = (_TOP + bottom) / 2
    yield (
        f'<text class="axis" x="13" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 13 {middle:.0f})">'
        f"{html.escape(unit)}</text>"
    )


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers between two others."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    spacing = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / spacing), math.floor(high / spacing)
    return [index * spacing for index in range(first, last + 1)]


def _number(value: float) -> str:
    """A value in the few characters that there is room for: 0.05, 1.5e-4, 20."""
    mantissa, _, power = f"{value:.3g}".partition("e")
    if value and abs(value) < 1e-3 and not power:
        mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(power)}" if power else mantissa


def _short(step: int) -> str:
    """A step in few characters: 500, 20k, 1.5M."""
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if step >= 10 * size or (step >= size and letter == "M"):
            return f"{step / size:g}{letter}"
    return f"{step:,}"


def _band(points: _Thinned, axes: _Axes, kind: str) -> str:
    """What was logged, from the lowest to the highest value of each point."""
    up, down = axes.places(points.steps, points.highest), axes.places(points.steps, points.lowest)
    return f'<path class="{kind} band" d="M{"L".join([*up, *reversed(down)])}Z"/>'


def _line(points: _Thinned, axes: _Axes, kind: str) -> str:
    """The smoothed curve; a dot where it has a single point."""
    places = axes.places(points.steps, points.smoothed)
    if len(places) == 1:
        return f'<path class="{kind} dot" d="M{places[0]}h0"/>'
    return f'<path class="{kind}" d="M{"L".join(places)}"/>'
