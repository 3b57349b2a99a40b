"""The parts of a run's page that show numbers: curves of what was logged, scores with their controls, tables."""

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cyclegan_jax.checkpoints import scores as checkpoint_scores
from cyclegan_jax.checkpoints.scores_file import Scores
from cyclegan_jax.errors import UserError
from cyclegan_jax.loss_config import GanLoss
from cyclegan_jax.training import legend, svg_chart
from cyclegan_jax.training.history import History
from cyclegan_jax.training.svg_chart import Curve

_ENDINGS: Final = ("_AtoB", "_BtoA", "_A", "_B")
"""Numbers whose names differ in these alone share a chart."""
_UNITS: Final = {"pairs_per_second": "image pairs per second", "waiting_for_data": "share of time"}


def section(heading: str, content: str) -> str:
    """A part of the page with its heading; `content` is HTML."""
    return f'<section aria-label="{html.escape(heading)}"><h2>{html.escape(heading)}</h2>{content}</section>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], code: Sequence[int] = ()) -> str:
    """A table of texts, the columns in `code` as code; it scrolls by itself where it is wider than the page."""
    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for heading in headings)

    def cell(column: int, text: str) -> str:
        shown = html.escape(text)
        if column == 0:
            shown = re.sub("(?<=[._])", "<wbr>", shown)  # a long name may be broken there
        return f"<td><code>{shown}</code></td>" if column in code else f"<td>{shown}</td>"

    body = "".join(f"<tr>{''.join(cell(*pair) for pair in enumerate(row))}</tr>" for row in rows)
    label = html.escape(", ".join(headings))
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table of {label}"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def curves(history: History, gan: GanLoss) -> str:
    """The curves of all logged numbers of a run with that loss, those that belong together in one chart."""
    names = [name for name in history.series if not name.startswith("eval/")]
    if not names:
        return section("Curves", "<p>Nothing has been logged yet.</p>")
    charts = "".join(_curves_chart(group, history, gan) for group in _groups(names))
    return section(
        "Curves",
        '<p class="note">Bold: smoothed; faint: single steps. The losses of a GAN say little about its pictures: '
        f'look at these, and at scores.</p><div class="charts">{charts}</div>',
    )


def _groups(names: Sequence[str]) -> list[list[str]]:
    """Names in the order of the legend, those of both domains or directions together."""
    order = {name: place for place, name in enumerate(legend.METRICS)}
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
        groups.setdefault(_stem(name), []).append(name)
    return list(groups.values())


def _stem(name: str) -> str:
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending)


def _curves_chart(names: Sequence[str], history: History, gan: GanLoss) -> str:
    title = _stem(names[0]).removeprefix("loss/").replace("_", " ")
    found = [Curve(name.removeprefix("loss/"), *history.series[name].points()) for name in names]
    unit = "loss" if names[0].startswith("loss/") else _UNITS.get(names[0], title)
    keys = "".join(
        _key(number, curve.name, f"{curve.values[-1]:.3g}", legend.describe(name, gan))
        for number, (name, curve) in enumerate(zip(names, found, strict=True))
    )
    return _card(title, svg_chart.chart(found, title=title, unit=unit), keys)


def _key(number: int, name: str, value: str, description: str) -> str:
    """The line of a chart's key for one curve: its colour, its name, its newest value, and what a good one does."""
    kind = f"line{number % svg_chart.COLOURS}"
    described = f": {html.escape(description)}" if description else ""
    return (
        f'<li><svg viewBox="0 0 26 8" aria-hidden="true"><path class="{kind}" d="M0 4H26"/></svg>'
        f"<b>{html.escape(name)}</b> {html.escape(value)}{described}</li>"
    )


def _card(title: str, drawing: str, keys: str) -> str:
    return f'<div class="card"><h3>{html.escape(title)}</h3>{drawing}<ul class="key">{keys}</ul></div>'


def scores(workdir: Path) -> str:
    """The scores of the evaluated checkpoints, each beside its controls."""
    try:
        found = checkpoint_scores.read(workdir)
        scored = {metric: entry for metric, entry in sorted(found.items()) if entry["values"]}
        controls = _controls(workdir, scored)
    except UserError as error:
        return section("Scores", f"<p>The scores cannot be shown: {html.escape(str(error))}</p>")
    if not scored:
        return section(
            "Scores",
            "<p>No checkpoint has been evaluated: <code>--eval_every=1000</code> does so every 1000 steps.</p>",
        )
    best = checkpoint_scores.best_of(scored, [*checkpoint_scores.scored_steps(scored)])
    rows = [_score_row(metric, entry, best[metric], controls[metric]) for metric, entry in scored.items()]
    charts = "".join(_score_chart(metric, entry, controls[metric]) for metric, entry in scored.items())
    return section(
        "Scores",
        table(("score", "better", "newest", "best", "controls"), rows)
        + '<p class="note">Controls, dotted in the charts, are the scores of trivial answers and of real images. '
        f'Pictures and tables are in <a href="evaluation/">evaluation/</a>.</p><div class="charts">{charts}</div>',
    )


def _values(entry: Mapping[str, Any]) -> dict[int, float]:
    """A metric's values by step, in the order of the steps."""
    return {int(step): float(entry["values"][step]) for step in sorted(entry["values"], key=int)}


def _controls(workdir: Path, scored: Scores) -> dict[str, Mapping[str, float]]:
    """By metric, the value of each control in the newest evaluation that gave it a score."""
    # Its room imports more than a run without evaluations needs.
    from cyclegan_jax.evaluation import result_files

    newest = {metric: max(_values(entry)) for metric, entry in scored.items()}
    read = {step: result_files.read_controls(workdir, step) for step in set(newest.values())}
    return {metric: read[step].get(metric, {}) for metric, step in newest.items()}


def _score_row(metric: str, entry: Mapping[str, Any], best: int, controls: Mapping[str, float]) -> tuple[str, ...]:
    values = _values(entry)
    newest = max(values)
    return (
        metric,
        str(entry["better"]),
        f"{values[newest]:.4g} at step {newest:,}",
        f"{values[best]:.4g} at step {best:,}",
        "; ".join(f"{name}: {value:.4g}" for name, value in controls.items()),
    )


def _score_chart(metric: str, entry: Mapping[str, Any], controls: Mapping[str, float]) -> str:
    values = _values(entry)
    curve = Curve(metric, np.array([*values]), np.array([*values.values()]))
    drawing = svg_chart.chart([curve], title=metric, unit="score", from_zero=False, levels=controls)
    return _card(metric, drawing, _key(0, metric, f"{curve.values[-1]:.4g}", f"{entry['better']} is better"))
