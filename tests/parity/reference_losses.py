"""Adversarial losses, gradient penalties and DiffAugment in PyTorch, given the random numbers. Images are NCHW."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


def official(scores: torch.Tensor, mode: str, *, real: bool) -> torch.Tensor:
    """The official code's criterion: how far scores are from "real", or from "generated"."""
    target = torch.full_like(scores, float(real))
    if mode == "lsgan":
        return nn.MSELoss()(scores, target)
    if mode == "vanilla":
        return nn.BCEWithLogitsLoss()(scores, target)
    assert mode == "wgangp"
    return -scores.mean() if real else scores.mean()


def generator_loss(scores: torch.Tensor, mode: str) -> torch.Tensor:
    return -scores.mean() if mode == "hinge" else official(scores, mode, real=True)


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor, mode: str) -> torch.Tensor:
    if mode == "hinge":
        return 0.5 * (functional.relu(1.0 - real).mean() + functional.relu(1.0 + fake).mean())
    return 0.5 * (official(real, mode, real=True) + official(fake, mode, real=False))


def gradient_penalty(
    network: Callable[[torch.Tensor], torch.Tensor],
    real: torch.Tensor,
    fake: torch.Tensor,
    shares: torch.Tensor,
    kind: str,
) -> torch.Tensor:
    """The penalty without its weight, whose graph leads to the network's parameters.

    Args:
        network: a discriminator.
        real: real images.
        fake: generated images.
        shares: (N,), how much of the real image is in each mixture.
        kind: `wgangp`, with the official code's epsilon, `r1`, or `mixture`.
    """
    share = shares.view(-1, 1, 1, 1)
    points = real if kind == "r1" else share * real + (1 - share) * fake
    points = points.detach().requires_grad_(True)
    scores = network(points)
    per_image = scores.flatten(1)
    outputs = per_image.sum(1) if kind == "wgangp" else per_image.mean(1)
    (gradient,) = torch.autograd.grad(outputs, points, torch.ones_like(outputs), create_graph=True)
    flat = gradient.reshape(len(real), -1)
    if kind == "wgangp":
        return (((flat + 1e-16).norm(2, dim=1) - 1.0) ** 2).mean()
    return flat.pow(2).sum(1).mean()


class Numbers(NamedTuple):
    """Random numbers of DiffAugment, as `diff_augment.Draws` has them, in tensors."""

    brightness: torch.Tensor
    saturation: torch.Tensor
    contrast: torch.Tensor
    translation: torch.Tensor
    cutout: torch.Tensor


def diff_augment(images: torch.Tensor, numbers: Numbers, names: Sequence[str]) -> torch.Tensor:
    """DiffAugment, image by image."""
    changed = []
    for place, image in enumerate(images):
        drawn = Numbers(*(kind[place] for kind in numbers))
        for name in names:
            image = {"color": _color, "translation": _translated, "cutout": _cut}[name](image, drawn)
        changed.append(image)
    return torch.stack(changed)


def _color(image: torch.Tensor, drawn: Numbers) -> torch.Tensor:
    image = image + (drawn.brightness - 0.5)
    gray = image.mean(dim=0, keepdim=True)
    image = gray + (image - gray) * (drawn.saturation * 2)
    mean = image.mean()
    return mean + (image - mean) * (drawn.contrast + 0.5)


def _translated(image: torch.Tensor, drawn: Numbers) -> torch.Tensor:
    height, width = image.shape[1:]
    most = int(height * 0.125 + 0.5), int(width * 0.125 + 0.5)
    # As randint(-most, most + 1) draws it, from a number in [0, 1).
    down, right = (int(drawn.translation[axis] * (2 * most[axis] + 1)) - most[axis] for axis in range(2))
    # Pixel (y, x) of the result is pixel (y + down, x + right); a negative pad crops.
    return functional.pad(image, (-right, right, -down, down))


def _cut(image: torch.Tensor, drawn: Numbers) -> torch.Tensor:
    height, width = image.shape[1:]
    hole = int(height * 0.5 + 0.5), int(width * 0.5 + 0.5)
    centre = [int(drawn.cutout[axis] * (size + (1 - hole[axis] % 2))) for axis, size in enumerate((height, width))]
    mask = torch.ones_like(image)
    for y in range(hole[0]):
        for x in range(hole[1]):
            row = min(max(y + centre[0] - hole[0] // 2, 0), height - 1)
            column = min(max(x + centre[1] - hole[1] // 2, 0), width - 1)
            mask[:, row, column] = 0
    return image * mask
