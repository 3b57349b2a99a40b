"""Pictures of an evaluation: rows of images, and figures of classes and steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.evaluation.segmentation import Evaluation

_BLUE, _GRAY, _ORANGE = "#2a6fb0", "#9a9a9a", "#d9730d"
_DPI: Final = 110


def rows(images: Sequence[Sequence[Uint8Image]]) -> Uint8Image:
    """Images in rows, (H, W, C) uint8, as one picture; smaller ones have white to the right and below."""
    sizes = [image.shape[:2] for row in images for image in row]
    height, width = (max(sides) for sides in zip(*sizes, strict=True))

    def padded(image: Uint8Image) -> Uint8Image:
        rgb = images_lib.to_rgb(image)
        free = ((0, height - rgb.shape[0]), (0, width - rgb.shape[1]), (0, 0))
        return np.pad(rgb, free, constant_values=255)

    return images_lib.grid([[padded(image) for image in row] for row in images])


def save_classes(path: Path, title: str, evaluation: Evaluation) -> None:
    """Draw each class's IoU beside the constant map's, and the confusion matrix, each row as parts of 1."""
    from matplotlib.figure import Figure

    model, constant = evaluation.model, evaluation.constant_map
    shares = np.array(model.per_class_share)
    order = [index for index in np.argsort(-shares, kind="stable") if shares[index] > 0]
    names = [f"{model.names[i]}  {shares[i]:.1%}" for i in order]
    # A figure of its own: pyplot would keep it.
    figure = Figure(figsize=(13, 0.8 + 0.42 * max(len(order), 6)), layout="constrained", dpi=_DPI)
    bars, heat = figure.subplots(1, 2, width_ratios=(1, 1.15))
    places = np.arange(len(order))
    bars.barh(places - 0.2, [model.per_class_iou[i] or 0 for i in order], 0.38, color=_BLUE, label="model")
    bars.barh(places + 0.2, [constant.per_class_iou[i] or 0 for i in order], 0.38, color=_GRAY, label="constant map")
    bars.set(
        yticks=places, yticklabels=names, xlim=(0, 1), xlabel="IoU", title=f"{title}: IoU, mean {model.class_iou:.3f}"
    )
    bars.invert_yaxis()
    bars.legend(loc="lower right", frameon=False)
    bars.spines[["top", "right"]].set_visible(False)

    confusion = np.array(model.confusion, dtype=float)
    answered = [i for i in range(len(shares)) if confusion[:, i].sum() > 0 and i not in order]
    columns = [*order, *answered]
    part = confusion[np.ix_(order, columns)] / confusion[order].sum(axis=1, keepdims=True)
    heat.imshow(part, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for row, column in np.argwhere(part >= 0.005):
        value = part[row, column]
        heat.text(
            column,
            row,
            f"{value:.2f}".lstrip("0"),
            ha="center",
            va="center",
            size=7,
            color="white" if value > 0.6 else "black",
        )
    heat.set(yticks=places, yticklabels=[model.names[i] for i in order], xticks=range(len(columns)), xlabel="answer")
    heat.set_xticklabels([model.names[i] for i in columns], rotation=60, ha="right")
    heat.set_title(f"confusion; pixel accuracy {model.pixel_accuracy:.3f}")
    _save(figure, path)


@dataclass(frozen=True)
class Curve:
    """One score over the steps.

    Attributes:
        title: its name.
        values: by step.
        best: the step with the best value, or None where none is better.
        controls: by name, the values of what no training changes.
    """

    title: str
    values: Mapping[int, float]
    best: int | None
    controls: Mapping[str, float]


def save_curves(path: Path, curves: Sequence[Curve]) -> None:
    """Draw the scores of several steps, each in a panel with its controls; the best step is marked."""
    from matplotlib.figure import Figure

    columns = min(3, len(curves))
    lines = -(-len(curves) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.1 * lines), layout="constrained", dpi=_DPI)
    for axes, curve in zip(figure.subplots(lines, columns, squeeze=False).flat, curves, strict=False):
        steps = sorted(curve.values)
        axes.plot(steps, [curve.values[step] for step in steps], "o-", color=_BLUE, markersize=4)
        near = _limits(curve)
        for style, (name, value) in zip((":", "--", "-."), curve.controls.items(), strict=False):
            outside = "" if near[0] <= value <= near[1] else " (outside)"
            axes.axhline(value, color=_GRAY, linestyle=style, label=f"{name} {value:.3g}{outside}")
        axes.set_ylim(*near)
        if curve.best is not None:
            axes.plot(
                curve.best,
                curve.values[curve.best],
                "*",
                color=_ORANGE,
                markersize=13,
                label=f"best: step {curve.best:,}",
            )
        axes.set_title(curve.title, size=10)
        axes.set_xlabel("step")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    for axes in list(figure.axes)[len(curves) :]:
        axes.set_axis_off()
    _save(figure, path)


def _limits(curve: Curve) -> tuple[float, float]:
    """The values and the control next to them: one far away would make a flat line of the curve."""
    values = list(curve.values.values())
    distances = [(min(abs(control - value) for value in values), control) for control in curve.controls.values()]
    shown = [*values, min(distances)[1]] if distances else values
    margin = 0.12 * (max(shown) - min(shown)) or 0.1 * abs(shown[0]) or 1.0
    return min(shown) - margin, max(shown) + margin


def _save(figure: Any, path: Path) -> None:
    """Through the one function that writes pictures whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    images_lib.save_png(path, np.asarray(canvas.buffer_rgba())[..., :3].copy())
