"""The charts of the run page: the right places, few points, and round numbers at the axes."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from cyclegan_jax.training.svg_chart import MOST_POINTS, Curve, chart

HEIGHT_OF_ZERO = 196.0
"""The y coordinate of the horizontal axis, where a chart that begins at 0 has its 0."""


def curve(values: list[float], name: str = "cycle_A", every: int = 10) -> Curve:
    return Curve(name, np.arange(1, len(values) + 1) * every, np.asarray(values, float))


def places(svg: str, kind: str) -> list[tuple[float, float]]:
    """The points of the path with this class."""
    (path,) = (element.get("d") for element in ElementTree.fromstring(svg) if element.get("class") == kind)
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", str(path))]


def test_values_are_at_their_places() -> None:
    svg = chart([curve([4.0, 2.0, 0.0])], title="cycle", unit="loss")
    (x0, y0), (x1, y1), (x2, y2) = places(svg, "line0")
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y2 == HEIGHT_OF_ZERO
    assert y2 - y1 == pytest.approx(y1 - y0, abs=0.2)


def test_thousands_of_points_become_few_that_keep_mean_and_range() -> None:
    rng = np.random.default_rng(0)
    values = list(1 + rng.random(5000))
    svg = chart([curve(values)], title="x", unit="loss")
    line, band = places(svg, "line0"), places(svg, "line0 band")
    assert len(line) == MOST_POINTS
    assert len(band) == 2 * MOST_POINTS
    assert len(svg) < 15_000
    heights = [y for _, y in band]
    # Lower on the page is a smaller value: the band reaches from nearly 1 to nearly 2, the mean stays at 1.5.
    middle = HEIGHT_OF_ZERO - (HEIGHT_OF_ZERO - min(heights)) * 1.5 / 2
    assert np.mean([y for _, y in line]) == pytest.approx(middle, abs=8)
    assert np.ptp(heights) > 10 * np.ptp([y for _, y in line])


def test_a_spike_does_not_flatten_the_rest() -> None:
    values = [1.0] * 500
    values[100] = 1000.0
    heights = [y for _, y in places(chart([curve(values)], title="x", unit="loss"), "line0")]
    assert HEIGHT_OF_ZERO - max(heights) > 5
    calm = places(chart([curve([1.0] * 500)], title="x", unit="loss"), "line0")
    assert np.ptp([y for _, y in calm]) == 0


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [-3.0, 2.0], [1e-9, 2e-9], [5e8, 1e9], [7.0]])
def test_any_values_give_finite_places_and_ticks(values: list[float]) -> None:
    svg = chart([curve(values)], title="x", unit="loss")
    assert "nan" not in svg
    assert "inf" not in svg
    ElementTree.fromstring(svg)
    assert len(re.findall(r'text-anchor="end">[-\d.e+]+</text>', svg)) >= 2


def test_axes_have_round_numbers_and_labels() -> None:
    svg = chart([curve([0.9, 0.4, 0.1], every=20_000)], title="x", unit="loss")
    texts = [element.text for element in ElementTree.fromstring(svg) if element.tag == "text"]
    assert {"step", "loss", "0", "0.2", "0.4", "20k", "40k", "60k"} <= set(texts)


def test_controls_are_marked_and_names_escaped() -> None:
    svg = chart(
        [curve([0.5, 0.6], name="<b>")], title='a "quoted"', unit="<s>", from_zero=False, levels={"shuffled & co": 0.1}
    )
    root = ElementTree.fromstring(svg)
    label = root.get("aria-label")
    assert label == 'a "quoted": <b> 0.5 to 0.6 from step 10 to 20'
    (level,) = (element for element in root if element.get("class") == "level")
    assert level[0].text == "shuffled & co: 0.1"
    # Below both values of the curve, and on the chart.
    y = float(str(level.get("d")).split("H")[0].split(" ")[1])
    assert max(y for _, y in places(svg, "line0")) < y < HEIGHT_OF_ZERO
