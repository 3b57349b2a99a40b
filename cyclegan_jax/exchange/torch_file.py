"""Files of PyTorch weights, read without PyTorch: both formats of `torch.save`, and safetensors.

Nothing of a file is run: `torch_container` finds its parts, `torch_pickle` reads its pickle, and `torch_tensor` proves
that no tensor leaves its storage.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import safetensors

from cyclegan_jax import files
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import torch_container
from cyclegan_jax.exchange.torch_container import ByteOrder, Container
from cyclegan_jax.exchange.torch_tensor import FormatError, Tensor, damaged, itemsize, shown

_SUFFIXES: Final = frozenset({".pth", ".pt", ".bin", ".ckpt"})
_MAX_BYTES: Final = 8 << 30
"""Bytes of all tensors together."""
_MAX_GROWTH: Final = 16
"""How many times a file's size its tensors may take. Tensors may share a storage, or repeat one number."""
_FREE: Final = 1 << 20
"""Bytes that the tensors of any file may take."""
_PREFIXES: Final = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before the name of each tensor."""

_SAFETENSORS: Final = {
    **{"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "bfloat16", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1"},
    **{"U8": "u1", "BOOL": "bool", "C64": "c8"},
}
"""The dtypes of safetensors by the names of `STORAGES`."""

_Arrays = dict[str, np.ndarray]


def is_torch_file(path: str | Path) -> bool:
    """Whether a regular file has a name that PyTorch's users give to weights, or begins like a file of `torch.save`.

    Raises:
        UnreadableError: the system does not answer.
    """
    if not files.is_file(path):
        return False
    if Path(path).suffix.lower() in _SUFFIXES:
        return True
    with files.opened(path) as file:
        return torch_container.begins(file.read(256))


def read(path: str | Path) -> _Arrays:
    """Read the state dict of a network from a file of `torch.save` or safetensors.

    Args:
        path: the file. It holds the state dict itself, or a dictionary that has it as `state_dict`.

    Returns:
        The tensors by name, in the file's order, without the prefixes `module.` and `_orig_mod.` where all names have
        them. float16 and bfloat16 become float32; other dtypes stay. Arrays are read-only, and may share memory and
        have any strides, as the tensors in PyTorch.

    Raises:
        UserError: the file cannot be read, is damaged, or holds something else than tensors.
    """
    try:
        with files.opened(path) as file:
            return _without_prefixes(_read(file))
    except FormatError as error:
        raise UserError(f"{path} {error}") from error


def _read(file: BinaryIO) -> _Arrays:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise FormatError("is empty: copy or download it again")
    file.seek(0)
    head = file.read(9)
    file.seek(0)
    if head.endswith(b"{") and int.from_bytes(head[:8], "little") < size:  # the length of the header, and its begin
        return _read_safetensors(file, size)
    container = torch_container.open_container(file, size)
    return _arrays(_state_dict(container.content), container, size)


def _state_dict(content: object) -> dict[str, Tensor]:
    """Find the state dict in what a pickle describes: it is all, or below the key `state_dict`."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise FormatError(f"holds {_kind(content)} instead of a state dict: save model.state_dict()")
    if not content:
        raise FormatError("holds no tensors: save model.state_dict() of a network")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise FormatError(
                f"has {_kind(value)} at {shown(str(key))} where a state dict has a tensor: save model.state_dict() of "
                "one network alone"
            )
    return content


def _kind(value: object) -> str:
    kinds = {Tensor: "a tensor", dict: "a dictionary", list: "a list", tuple: "a tuple", str: "a text"}
    return kinds.get(type(value), f"something of the type {type(value).__name__}")


def _arrays(tensors: Mapping[str, Tensor], container: Container, size: int) -> _Arrays:
    """Read the storages of these tensors, each once, and make arrays that are views on them."""
    storages = {(tensor.storage.key, tensor.storage.dtype): tensor.storage for tensor in tensors.values()}
    _check_total((storage.size * _itemsize(storage.dtype) for storage in storages.values()), size)
    # An empty tensor can have other sides of any length, which NumPy multiplies: a side of 0 counts as one of 1.
    sides = ((tensor, (max(side, 1) for side in tensor.shape)) for tensor in tensors.values())
    _check_total((math.prod(shape) * _itemsize(tensor.storage.dtype) for tensor, shape in sides), size)
    decoded = {
        place: _decode(container.fetch(storage), storage.dtype, container.byte_order)
        for place, storage in storages.items()
    }
    return {name: _view(tensor, decoded[tensor.storage.key, tensor.storage.dtype]) for name, tensor in tensors.items()}


def _check_total(sizes: Iterable[int], file_size: int) -> None:
    total = sum(sizes)
    limit = min(_MAX_BYTES, max(_FREE, _MAX_GROWTH * file_size))
    if total > limit:
        raise FormatError(
            f"has {file_size:,} bytes, but tensors of {total:,}, of which at most {limit:,} are read: save contiguous "
            "tensors of one network alone"
        )


def _itemsize(dtype: str) -> int:
    """The bytes of one element of what `_decode` returns."""
    return 4 if dtype in ("bfloat16", "f2") else itemsize(dtype)


def _decode(raw: bytes, dtype: str, order: ByteOrder) -> np.ndarray:
    """Bytes as an array of one axis, in the machine's byte order; float16 and bfloat16 as float32."""
    if dtype == "bfloat16":  # the upper half of a float32
        array = np.frombuffer(raw, f"{order}u2").astype("u4")
        array <<= 16
        array = array.view("f4")
    elif dtype == "bool":  # any other byte than 0 is true, but NumPy expects 1
        array = np.frombuffer(raw, "u1") != 0
    else:
        stored = np.frombuffer(raw, order + dtype)
        array = stored.astype("f4" if dtype == "f2" else dtype, copy=False)
    array.flags.writeable = False
    return array


def _view(tensor: Tensor, storage: np.ndarray) -> np.ndarray:
    if 0 in tensor.shape:
        return storage[:0].reshape(tensor.shape)
    size = storage.itemsize
    # The stride of an axis of one element has no meaning, and may be any number.
    strides = [size * stride if side > 1 else 0 for side, stride in zip(tensor.shape, tensor.strides, strict=True)]
    start = tensor.storage.start + tensor.offset
    return np.ndarray(tensor.shape, storage.dtype, storage, size * start, strides)


def _read_safetensors(file: BinaryIO, size: int) -> _Arrays:
    _check_total([size], size)
    raw = file.read()
    try:
        tensors = dict(safetensors.deserialize(raw))
    except safetensors.SafetensorError as error:
        raise damaged("it is not a whole safetensors file") from error
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    names = sorted(tensors, key=lambda name: header[name]["data_offsets"])
    if not names:
        raise FormatError("holds no tensors: save the weights of a network")
    for name in names:
        if tensors[name]["dtype"] not in _SAFETENSORS:
            raise FormatError(
                f"has the tensor {shown(name)} of type {tensors[name]['dtype']}, which is not read: save it as float32"
            )
    return {
        name: _decode(tensors[name]["data"], _SAFETENSORS[tensors[name]["dtype"]], "<").reshape(tensors[name]["shape"])
        for name in names
    }


def _without_prefixes(arrays: _Arrays) -> _Arrays:
    for prefix in _PREFIXES * 2:  # in either order
        if all(name.startswith(prefix) for name in arrays):
            arrays = {name.removeprefix(prefix): array for name, array in arrays.items()}
    return arrays
