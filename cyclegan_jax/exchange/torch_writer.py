"""State dicts as files that `torch.load` reads, written without PyTorch."""

import io
import math
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from cyclegan_jax.exchange.torch_tensor import STORAGES

_FOLDER: Final = "weights"
_VERSION: Final = "3\n"
"""The version of PyTorch's zip format, which every PyTorch since 1.6 (2020) reads."""
_KINDS: Final = {dtype: kind for kind, dtype in STORAGES.items()}


def encode(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The content of a file that holds a state dict on the CPU, as `torch.save(network.state_dict(), file)` writes it.

    Equal tensors make equal bytes.

    Args:
        tensors: by name; float32, float64 or integers.
    """
    buffer = io.BytesIO()
    arrays = [np.ascontiguousarray(tensor) for tensor in tensors.values()]
    # Not compressed: PyTorch maps a tensor's bytes from where they are.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", _pickle(tensors))
        _add(archive, "byteorder", b"little")
        for index, array in enumerate(arrays):
            _add(archive, f"data/{index}", array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        _add(archive, "version", _VERSION.encode())
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(f"{_FOLDER}/{name}"), content)  # dated 1980: no time of today's in the file


def _pickle(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The pickle of an OrderedDict of tensors, by the operations of `pickle`'s second protocol."""
    items = [
        _push(name) + _tensor(str(index), np.asarray(tensor)) for index, (name, tensor) in enumerate(tensors.items())
    ]
    return b"\x80\x02" + _call("collections", "OrderedDict") + b"(" + b"".join(items) + b"u."


def _tensor(key: str, tensor: np.ndarray) -> bytes:
    """The call that rebuilds a contiguous tensor at the beginning of its storage, which is a persistent object."""
    kind = _global("torch", f"{_KINDS[tensor.dtype.str[1:]]}Storage")
    storage = _tuple(_push("storage"), kind, _push(key), _push("cpu"), _push(tensor.size)) + b"Q"
    strides = tuple(math.prod(tensor.shape[axis + 1 :]) for axis in range(tensor.ndim))
    hooks = _call("collections", "OrderedDict")
    arguments = storage, _push(0), _push(tensor.shape), _push(strides), _push(False), hooks
    return _call("torch._utils", "_rebuild_tensor_v2", *arguments)


def _call(module: str, name: str, *arguments: bytes) -> bytes:
    return _global(module, name) + _tuple(*arguments) + b"R"


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _tuple(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def _push(value: Any) -> bytes:
    """The operations that push a plain value: its pickle without the header and the stop."""
    return pickle.dumps(value, 2)[2:-1]
