"""Figures: per-class IoU with the confusion matrix, and the scores over the steps of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cyclegan_jax.data import images as images_lib
from cyclegan_jax.evaluation.curves import Curve
from cyclegan_jax.evaluation.segmentation_scores import ControlledScores, Scores

# Matplotlib is imported where it is used: it takes a second, and most commands draw no figure. `Figure` is used without
# pyplot, which would keep every figure alive and choose a graphical backend.

_BLUE, _GRAY, _ORANGE = "#2a6fb0", "#9a9a9a", "#d9730d"
_DPI: Final = 110
_MANY_POINTS: Final = 30
"""Longer curves are drawn faint, with their moving average."""


def save_class_figure(path: Path, title: str, scores: ControlledScores) -> None:
    """Draw each class's IoU with the constant map's, and the confusion matrix with rows that sum to 1, as a PNG.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    shares = np.array(scores.model.per_class_share)
    order = [int(index) for index in np.argsort(-shares, kind="stable") if shares[index] > 0]
    figure = Figure(figsize=(13, 0.8 + 0.42 * max(len(order), 6)), layout="constrained", dpi=_DPI)
    bars, heat = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _draw_iou(bars, title, scores, order)
    _draw_confusion(heat, scores.model, order)
    _save(figure, path)


def _draw_iou(axes: Any, title: str, scores: ControlledScores, order: list[int]) -> None:
    model, constant = scores.model, scores.constant_map
    rows = np.arange(len(order))
    labels = [f"{model.names[i]}  {model.per_class_share[i]:.1%}" for i in order]
    axes.barh(rows - 0.2, [model.per_class_iou[i] or 0 for i in order], 0.38, color=_BLUE, label="model")
    axes.barh(rows + 0.2, [constant.per_class_iou[i] or 0 for i in order], 0.38, color=_GRAY, label="constant map")
    axes.set(
        yticks=rows, yticklabels=labels, xlim=(0, 1), xlabel="IoU", title=f"{title}: IoU, mean {model.class_iou:.3f}"
    )
    axes.invert_yaxis()
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_confusion(axes: Any, model: Scores, order: list[int]) -> None:
    confusion = np.array(model.confusion, dtype=float)
    # Classes that the ground truth lacks have no row, but the model may still answer with them.
    predicted_only = [i for i in range(len(confusion)) if confusion[:, i].sum() > 0 and i not in order]
    columns = [*order, *predicted_only]
    part = confusion[np.ix_(order, columns)] / confusion[order].sum(axis=1, keepdims=True)
    axes.imshow(part, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for row, column in np.argwhere(part >= 0.005):
        value = part[row, column]
        color = "white" if value > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}".lstrip("0"), ha="center", va="center", size=7, color=color)
    rows = np.arange(len(order))
    axes.set(yticks=rows, yticklabels=[model.names[i] for i in order], xticks=range(len(columns)), xlabel="answer")
    axes.set_xticklabels([model.names[i] for i in columns], rotation=60, ha="right")
    axes.set_title(f"confusion; pixel accuracy {model.pixel_accuracy:.3f}")


def save_curve_figure(path: Path, curves: Sequence[Curve]) -> None:
    """Draw each score over the steps in its own panel, with its controls and the best step marked, as a PNG.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    columns = min(3, len(curves))
    lines = -(-len(curves) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.1 * lines), layout="constrained", dpi=_DPI)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes, curve in zip(panels, curves, strict=False):
        _draw_curve(axes, curve)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    _save(figure, path)


def _draw_curve(axes: Any, curve: Curve) -> None:
    steps = sorted(curve.values)
    axes.plot(steps, [curve.values[step] for step in steps], "o-", color=_BLUE, markersize=4)
    low, high = _limits(curve)
    for style, (name, value) in zip((":", "--", "-."), curve.controls.items(), strict=False):
        outside = "" if low <= value <= high else " (outside)"
        axes.axhline(value, color=_GRAY, linestyle=style, label=f"{name} {value:.3g}{outside}")
    axes.set_ylim(low, high)
    best = curve.values[curve.best]
    axes.plot(curve.best, best, "*", color=_ORANGE, markersize=13, label=f"best: step {curve.best:,}")
    axes.set_title(curve.title, size=10)
    axes.set_xlabel("step")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def _limits(curve: Curve) -> tuple[float, float]:
    """Return y limits around the values and the nearest control; a distant control would flatten the curve."""
    values = list(curve.values.values())
    distances = [(min(abs(control - value) for value in values), control) for control in curve.controls.values()]
    shown = [*values, min(distances)[1]] if distances else values
    margin = 0.12 * (max(shown) - min(shown)) or 0.1 * abs(shown[0]) or 1.0
    return min(shown) - margin, max(shown) + margin


def save_comparison(path: Path, panels: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]) -> None:
    """Draw the curves of several runs, a panel for each score and loss, as a PNG.

    Args:
        path: the file.
        panels: by title, and in it by run, pairs of step and value.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    names = sorted({name for curves in panels.values() for name in curves})
    palette = colormaps["tab10" if len(names) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    colours = {name: palette[index % len(palette)] for index, name in enumerate(names)}
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.1 * lines + 0.5), layout="constrained", dpi=_DPI)
    axes_list = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes, (title, curves) in zip(axes_list, panels.items(), strict=False):
        for name, points in curves.items():
            steps, values = zip(*points, strict=True)
            many = len(points) > _MANY_POINTS
            axes.plot(
                steps, values, "-" if many else "o-", color=colours[name], markersize=4, alpha=0.25 if many else 1
            )
            if many:
                axes.plot(steps, _smoothed(values), "-", color=colours[name])
        axes.set_title(title, size=10)
        axes.set_xlabel("step")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in axes_list[len(panels) :]:
        axes.set_axis_off()
    handles = [Line2D([], [], color=colours[name], label=name) for name in names]
    figure.legend(handles=handles, loc="outside upper left", frameon=False, ncols=min(4, len(names)))
    _save(figure, path)


def _smoothed(values: Sequence[float]) -> np.ndarray:
    """A moving average over a twentieth of the values, with fewer of them at the ends."""
    width = max(3, len(values) // 20)
    window = np.ones(width)
    return np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")


def _save(figure: Any, path: Path) -> None:
    """Render a figure and write it by `images.save_png`, which writes a whole file or none."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    images_lib.save_png(path, np.asarray(canvas.buffer_rgba())[..., :3].copy())
