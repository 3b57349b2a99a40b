"""The tensors of a PyTorch network as parameters here, and back; both ways keep every bit of a float32."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import numpy as np

from cyclegan_jax.checkpoints.checksums import leaf_names
from cyclegan_jax.exchange.layouts import PARTS, Blur, Layer, Part
from cyclegan_jax.exchange.torch_tensor import FormatError, shown
from cyclegan_jax.networks.cyclegan import Params

_LISTED_AT_MOST: Final = 6
_IGNORED: Final = (".num_batches_tracked", ".running_mean", ".running_var")
"""The ends of the names of tensors that nothing here needs: a norm that uses its statistics has them in its layout."""


def to_params(tensors: Mapping[str, np.ndarray], layout: Sequence[Part], shapes: Params) -> Params:
    """The parameters of a network from its tensors in PyTorch's layout.

    Args:
        tensors: by name.
        layout: where each layer is.
        shapes: the network's parameters as `jax.ShapeDtypeStruct`s; the result has their dtypes.

    Raises:
        FormatError: tensors are missing, are not known, have another shape, or hold values that are not finite.
    """
    layers = {layer.place: layer for layer in layout if isinstance(layer, Layer)}
    blurs = [blur for blur in layout if isinstance(blur, Blur)]
    wanted = []
    for leaf, like in zip(leaf_names(shapes), jax.tree.leaves(shapes), strict=True):
        place, _, part = leaf.rpartition(".")
        wanted.append((layers[place], part, layers[place].tensor(part), like))
    _check_names(tensors, {*(name for _, _, name, _ in wanted), *(blur.tensor for blur in blurs)})
    _check_blurs(tensors, blurs)
    leaves = []
    for layer, part, name, like in wanted:
        tensor = tensors[name]
        value = _kernel_from(tensor, layer) if part == "kernel" else tensor
        if value.shape != like.shape:
            expected = _kernel_to(np.empty(like.shape), layer).shape if len(like.shape) == 4 else like.shape
            raise FormatError(
                f"has the tensor {shown(name)} of shape {tensor.shape}, but the architecture "
                f"inferred from its tensors has {expected} there"
            )
        if not np.issubdtype(value.dtype, np.floating):
            raise FormatError(f"has the tensor {shown(name)} of type {value.dtype}: save the weights as float32")
        with np.errstate(over="ignore"):
            value = np.ascontiguousarray(value, like.dtype)
        if not np.isfinite(value).all():
            raise FormatError(f"has values in the tensor {shown(name)} that are not finite in {like.dtype}")
        leaves.append(value)
    params: Params = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
    return params


def from_params(params: Params, layout: Sequence[Part]) -> dict[str, np.ndarray]:
    """The tensors of a network in PyTorch's layout, by name in PyTorch's order, float32 or as the parameters are."""
    found: dict[str, dict[str, np.ndarray]] = {part.place: {} for part in layout if isinstance(part, Layer)}
    for leaf, value in zip(leaf_names(params), jax.tree.leaves(params), strict=True):
        place, _, part = leaf.rpartition(".")
        found[place][part] = np.asarray(value)
    tensors = {}
    for layer in layout:
        if isinstance(layer, Blur):
            tensors[layer.tensor] = layer.values
            continue
        parts = found[layer.place]
        for part in PARTS:
            if part in parts:
                value = _kernel_to(parts[part], layer) if part == "kernel" else parts[part]
                tensors[layer.tensor(part)] = np.ascontiguousarray(value)
        # PyTorch's batch norm counts the batches it has seen, and loads strictly only with the count.
        if "mean" in parts:
            tensors[f"{layer.norm}.num_batches_tracked"] = np.zeros((), np.int64)
    return tensors


def _kernel_from(tensor: np.ndarray, layer: Layer) -> Any:
    if tensor.ndim != 4:
        return tensor
    return tensor[:, :, ::-1, ::-1].transpose(2, 3, 0, 1) if layer.transposed else tensor.transpose(2, 3, 1, 0)


def _kernel_to(kernel: np.ndarray, layer: Layer) -> np.ndarray:
    return kernel[::-1, ::-1].transpose(2, 3, 0, 1) if layer.transposed else kernel.transpose(3, 2, 0, 1)


def _check_names(tensors: Mapping[str, np.ndarray], wanted: set[str]) -> None:
    missing = sorted(wanted - set(tensors))
    unknown = [name for name in tensors if name not in wanted and not name.endswith(_IGNORED)]
    if missing or unknown:
        parts = [f"{_listed(missing)} missing"] if missing else []
        parts += [f"{_listed(unknown)} unexpected"] if unknown else []
        raise FormatError(f"does not match the architecture inferred from its tensors: {'; '.join(parts)}")


def _check_blurs(tensors: Mapping[str, np.ndarray], blurs: Sequence[Blur]) -> None:
    for blur in blurs:
        if tensors[blur.tensor].shape != blur.values.shape or not np.allclose(tensors[blur.tensor], blur.values):
            raise FormatError(
                f"has another filter in {shown(blur.tensor)} than CUT's anti-aliasing, which is the one that is known"
            )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED_AT_MOST} more" if len(names) > _LISTED_AT_MOST else ""
    return ", ".join(map(shown, names[:_LISTED_AT_MOST])) + more
