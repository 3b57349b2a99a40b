"""Files as `torch.save` writes them, made without PyTorch: pickles assembled by hand, in either container."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

Notes = Mapping[str, bytes | None]
"""Entries of an archive by name below its folder; None leaves one out."""
NO_NOTES: Notes = MappingProxyType({})
MAGIC = 0x1950A86A20F9469CFC6C
ITEMS = {"Float": 4, "Double": 8, "Half": 2, "BFloat16": 2, "Long": 8, "Bool": 1, "Byte": 1}


@dataclass(frozen=True)
class Raw:
    """Operations that a pickle holds as they are."""

    operations: bytes


@dataclass(frozen=True)
class Stored:
    """A tensor of a file: a view on `raw`, the bytes of its storage; fields that are None follow from the others."""

    key: str
    raw: bytes
    shape: Any
    kind: str = "Float"
    strides: Any = None
    offset: Any = 0
    size: Any = None
    view: Any = None
    module: str = "torch"
    function: str = "_rebuild_tensor_v2"
    location: str = "cpu"


def stored(key: str, array: np.ndarray, **changes: Any) -> Stored:
    """A tensor that is contiguous in a storage of its own."""
    kind = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long", "b1": "Bool", "u1": "Byte"}[array.dtype.str[1:]]
    return replace(Stored(key, array.tobytes(), array.shape, kind), **changes)


def a_global(module: str, name: str) -> Raw:
    return Raw(f"c{module}\n{name}\n".encode())


def call(function: Raw, *arguments: Any) -> Raw:
    return Raw(function.operations + operations(arguments) + b"R")


def operations(value: Any, old: bool = False) -> bytes:
    """The operations that push a value; `old` describes storages as before 2020."""
    match value:
        case Raw():
            return value.operations
        case Stored():
            return _tensor(value, old)
        case dict():
            items = b"".join(operations(part, old) for item in value.items() for part in item)
            return b"}(" + items + b"u"
        case tuple() | list():
            parts = b"".join(operations(part, old) for part in value)
            return b"(" + parts + b"t" if isinstance(value, tuple) else b"](" + parts + b"e"
        case _:
            return pickle.dumps(value, 2)[2:-1]


def _tensor(tensor: Stored, old: bool) -> bytes:
    shape = tensor.shape
    strides = tensor.strides
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    size = len(tensor.raw) // ITEMS[tensor.kind] if tensor.size is None else tensor.size
    kind = a_global(tensor.module, f"{tensor.kind}Storage")
    storage = Raw(
        operations(("storage", kind, tensor.key, tensor.location, size, *([tensor.view] if old else []))) + b"Q"
    )
    empty = call(a_global("collections", "OrderedDict"))
    more = (False, empty) if tensor.function == "_rebuild_tensor_v2" else ()
    return call(a_global("torch._utils", tensor.function), storage, tensor.offset, shape, strides, *more).operations


def pickled(value: Any, old: bool = False) -> bytes:
    return b"\x80\x02" + operations(value, old) + b"."


def tensors_of(value: Any) -> list[Stored]:
    """All tensors in a value."""
    if isinstance(value, Stored):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for part in parts for tensor in tensors_of(part)]


def zip_file(value: Any, *, folder: str = "archive", compression: int = 0, notes: Notes = NO_NOTES) -> bytes:
    """The file of PyTorch 1.6 and later."""
    entries = {tensor.key: tensor.raw for tensor in tensors_of(value)}
    return zip_of_pickle(pickled(value), entries, folder=folder, compression=compression, notes=notes)


def zip_of_pickle(
    content: bytes,
    storages: Mapping[str, bytes],
    *,
    folder: str = "archive",
    compression: int = 0,
    notes: Notes = NO_NOTES,
) -> bytes:
    entries: dict[str, bytes | None] = {"data.pkl": content, "byteorder": b"little"}
    entries |= {f"data/{key}": raw for key, raw in storages.items()} | {"version": b"3\n"} | dict(notes)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, entry in entries.items():
            if entry is not None:
                archive.writestr(f"{folder}/{name}", entry)
    return written.getvalue()


def stream_file(value: Any, *, version: int = 1001, little_endian: bool = True) -> bytes:
    """The file of PyTorch versions before 1.6."""
    storages = {tensor.key: tensor for tensor in tensors_of(value)}
    return stream_of_pickle(pickled(value, old=True), storages, version=version, little_endian=little_endian)


def stream_of_pickle(
    content: bytes, storages: Mapping[str, Stored], *, version: int = 1001, little_endian: bool = True
) -> bytes:
    system = {"protocol_version": version, "little_endian": little_endian, "type_sizes": {"int": 4}}
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, version, system))
    body = b"".join(
        (len(tensor.raw) // ITEMS[tensor.kind]).to_bytes(8, "little") + tensor.raw for tensor in storages.values()
    )
    return head + content + pickle.dumps(list(storages), 2) + body
