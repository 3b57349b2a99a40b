"""Conversion of weights and gradients from the PyTorch reference to this package's layout, and their comparison."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import torch
from torch import nn

from tests.helpers.biases import bias_feeds_norm

# The order in which the images pass through; `blocks` and `convs` stand for all their members.
GENERATOR_ORDER = ("stem", "down", "blocks", "up", "head")
DISCRIMINATOR_ORDER = ("convs", "head")


def convolutions(module: nn.Module) -> list[tuple[nn.Conv2d | nn.ConvTranspose2d, nn.Module | None]]:
    """Return the convolutions of a PyTorch network, in order, each with the norm after it if that has parameters."""
    found: list[tuple[nn.Conv2d | nn.ConvTranspose2d, nn.Module | None]] = []
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            found.append((part, None))
        elif isinstance(part, nn.BatchNorm2d | nn.InstanceNorm2d) and part.affine:
            found[-1] = (found[-1][0], part)
    return found


def from_torch(module: nn.Module, like: Any, *, grad: bool = False) -> Any:
    """Return the weights of a PyTorch network, or their gradients, in the layout of our parameters.

    Args:
        module: the PyTorch network.
        like: parameters of our network of the same kind, for their structure and shapes.
        grad: return the gradients.
    """
    layers = convolutions(module)
    order = DISCRIMINATOR_ORDER if "convs" in like else GENERATOR_ORDER
    places = [place for name in order if name in like for place in _layers(like[name])]
    assert len(layers) == len(places)
    flat = {}
    for (layer, norm), place in zip(layers, places, strict=True):
        kernel = _numpy(layer.weight, grad)
        if isinstance(layer, nn.ConvTranspose2d):
            kernel = kernel[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
        else:
            kernel = kernel.transpose(2, 3, 1, 0)
        flat[id(place)] = {"kernel": kernel}
        if layer.bias is not None:
            flat[id(place)]["bias"] = _numpy(layer.bias, grad)
        if norm is not None:
            flat[id(place)] |= _norm(norm, grad)
        assert sorted(flat[id(place)]) == sorted(place)

    def rebuild(node: Any) -> Any:
        return flat[id(node)] if id(node) in flat else {name: rebuild(child) for name, child in node.items()}

    params = rebuild(like)
    jax.tree.map(lambda ours, theirs: np.testing.assert_equal(np.shape(ours), np.shape(theirs)), like, params)
    return params


def _norm(norm: nn.Module, grad: bool) -> dict[str, np.ndarray]:
    params = {"scale": _numpy(norm.weight, grad), "shift": _numpy(norm.bias, grad)}
    if isinstance(norm, nn.BatchNorm2d):
        statistics = {"mean": norm.running_mean, "var": norm.running_var}
        # Statistics have no gradient.
        params |= {name: np.zeros_like(v) if grad else _numpy(v, grad) for name, v in statistics.items()}
    return params


def _layers(node: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    if "kernel" in node:
        yield node
    else:
        for name in sorted(node):
            yield from _layers(node[name])


def _numpy(parameter: Any, grad: bool) -> np.ndarray:
    values = parameter.grad if grad else parameter.detach()
    assert values is not None
    return values.numpy().copy()


def nchw(images: np.ndarray) -> torch.Tensor:
    """Convert (N, H, W, C) images to a PyTorch batch (N, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1)))


def nhwc(images: torch.Tensor) -> np.ndarray:
    """Convert a PyTorch batch (N, C, H, W) to (N, H, W, C) images."""
    return np.moveaxis(images.detach().numpy(), 1, -1)


def assert_same(ours: Any, theirs: Any, *, relative: float, absolute: float, what: str = "") -> None:
    """Compare trees of parameters or gradients, each tensor by its own largest value.

    Biases that feed an instance norm have an exactly zero gradient, whose rounding Adam turns into updates: those are
    compared absolutely.
    """
    ours_flat, theirs_flat = (jax.tree.leaves_with_path(tree) for tree in (ours, theirs))
    assert [path for path, _ in ours_flat] == [path for path, _ in theirs_flat]
    for (path, one), (_, other) in zip(ours_flat, theirs_flat, strict=True):
        difference = np.abs(np.asarray(one) - np.asarray(other)).max()
        bound = absolute if bias_feeds_norm(path) else relative * np.abs(np.asarray(other)).max()
        assert difference <= bound, f"{what} {jax.tree_util.keystr(path)}: {difference:.3g} is above {bound:.3g}"
