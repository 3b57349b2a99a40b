"""The two containers of `torch.save`: the zip archive of PyTorch 1.6 and later, and the stream of earlier versions."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Literal

from cyclegan_jax.exchange import torch_pickle
from cyclegan_jax.exchange.torch_tensor import FormatError, Storage, damaged, shown

ByteOrder = Literal["<", ">"]

_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_ZIP_ERRORS: Final = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError),
    *(OverflowError, MemoryError),  # zipfile believes the lengths in an archive
)
"""What zipfile raises for an archive that is damaged, or has features that it lacks."""
_MAX_ZIP_VERSION: Final = 10
"""PyTorch 2.13 reads its own archives up to this version, and writes version 3."""
_MAX_NOTE: Final = 64
"""Bytes of the longest entry that holds a single word, such as `version`."""
_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PICKLED_MAGIC: Final = b"\x8a\n" + _MAGIC.to_bytes(10, "little") + b"."
_STREAM_VERSION: Final = 1001
"""The only version of the stream."""


@dataclass(frozen=True, eq=False)
class Container:
    """An open file of `torch.save`.

    Attributes:
        content: what its pickle describes, see `torch_pickle.load`.
        fetch: returns the bytes of a storage, read from the file; raises FormatError.
        byte_order: `<` (little-endian) or `>`, of these bytes.
    """

    content: Any
    fetch: Callable[[Storage], bytes]
    byte_order: ByteOrder


def begins(head: bytes) -> bool:
    """Whether a file that begins with these bytes, 256 or more, is one of `torch.save`: data.pkl is its first entry."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return _is_stream(head) or (head.startswith(_ZIP) and name.endswith(b"/data.pkl"))


def open_container(file: BinaryIO, size: int) -> Container:
    """Read all but the storages.

    Args:
        file: at its begin.
        size: of the file, in bytes.

    Raises:
        FormatError: the file is damaged, or not one of `torch.save`, or its pickle asks for more than tensors.
    """
    head = file.read(32)
    file.seek(0)
    if head.startswith(_ZIP):
        return _open_zip(file, size)
    if _is_stream(head):
        return _open_stream(file, size)
    if head.startswith(_EMPTY_ZIP):
        raise FormatError("is a zip archive without any entry: copy or download it again")
    raise FormatError(
        "is no file of PyTorch weights: name one that torch.save(model.state_dict(), ...) or safetensors wrote"
    )


def _is_stream(head: bytes) -> bool:
    return head.startswith(b"\x80") and _PICKLED_MAGIC in head[:32]


def _open_zip(file: BinaryIO, size: int) -> Container:
    """Open an archive: a folder of `data.pkl`, an entry `data/<key>` for each storage, and a few notes."""
    try:
        archive = zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        raise damaged("its zip archive is not whole") from error
    entries = {entry.filename: entry for entry in archive.infolist()}

    def note(name: str, default: str) -> str:
        return _read(archive, entries[name], _MAX_NOTE).decode("latin-1").strip() if name in entries else default

    def fetch(storage: Storage) -> bytes:
        entry = entries.get(f"{folder}data/{storage.key}")
        if entry is None or entry.file_size != storage.nbytes:
            found = "is missing" if entry is None else f"has {entry.file_size:,} bytes instead of {storage.nbytes:,}"
            raise damaged(f"the storage {shown(storage.key)} {found}")
        return _read(archive, entry, storage.nbytes)

    folders = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise FormatError("is a zip archive, but not one of torch.save: name a file that torch.save wrote")
    (folder,) = folders
    if f"{folder}constants.pkl" in entries or any(name.startswith(f"{folder}code/") for name in entries):
        raise FormatError("is a TorchScript program: load it with torch.jit.load, and save its state_dict()")
    _check_sizes(archive, size)
    version = note(f"{folder}version", "3")
    if not version.isdecimal() or not 1 <= int(version) <= _MAX_ZIP_VERSION:
        raise FormatError(
            f"has version {shown(version)} of PyTorch's file format, but the newest known one is {_MAX_ZIP_VERSION}: "
            "save it with an older PyTorch, or as safetensors"
        )
    byte_order = note(f"{folder}byteorder", "little")
    if byte_order not in ("little", "big"):
        raise damaged(f"its byte order is {shown(byte_order)}")
    pickled = _read(archive, entries[f"{folder}data.pkl"], torch_pickle.MAX_BYTES)
    content, _ = torch_pickle.load(io.BytesIO(pickled))
    return Container(content, fetch, ">" if byte_order == "big" else "<")


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse entries that are larger than the archive: `torch.save` does not compress them."""
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise FormatError(
                f"is a zip archive whose entry {shown(entry.filename)} is compressed or encrypted, unlike those of "
                "torch.save: load it with torch.load, and save it again"
            )
    if sum(entry.file_size for entry in archive.infolist()) > size:
        raise damaged("the entries of its zip archive are together larger than the archive")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    if entry.file_size > limit:
        raise FormatError(
            f"has an entry {shown(entry.filename)} of {entry.file_size:,} bytes, but at most {limit:,} are read: save "
            "model.state_dict() alone"
        )
    try:
        return archive.read(entry)
    except _ZIP_ERRORS as error:
        raise damaged(f"the entry {shown(entry.filename)} of its zip archive is not whole") from error


def _open_stream(file: BinaryIO, size: int) -> Container:
    """Open a stream: five pickles, and behind them for each storage the number of its elements and their bytes."""
    pickles = io.BytesIO(file.read(torch_pickle.MAX_BYTES))
    try:
        magic, version, system = (torch_pickle.load(pickles)[0] for _ in range(3))
        if magic != _MAGIC or version != _STREAM_VERSION or not isinstance(system, dict):
            raise FormatError("has an unknown version of PyTorch's old file format: save it with PyTorch 1.6 or later")
        if system.get("little_endian") is False:
            raise FormatError("was saved on a big-endian machine in the old format: save it with PyTorch 1.6 or later")
        content, storages = torch_pickle.load(pickles)
        keys, _ = torch_pickle.load(pickles)
    except FormatError as error:
        if pickles.tell() == torch_pickle.MAX_BYTES:
            raise FormatError(
                f"has pickles of more than {torch_pickle.MAX_BYTES:,} bytes: save model.state_dict() alone"
            ) from error
        raise
    places = _places(file, size, pickles.tell(), keys, storages)

    def fetch(storage: Storage) -> bytes:
        file.seek(places[storage.key])
        return file.read(storage.nbytes)

    return Container(content, fetch, "<")


def _places(file: BinaryIO, size: int, place: int, keys: object, storages: dict[str, Storage]) -> dict[str, int]:
    """Where the bytes of each storage begin in a stream whose storages begin at `place`."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or set(keys) != set(storages):
        raise damaged("its list of storages is not that of its tensors")
    places = {}
    for key in keys:
        file.seek(min(place, size))
        if file.read(8) != storages[key].size.to_bytes(8, "little"):
            raise damaged(f"the storage {shown(key)} is missing, or has another size")
        places[key] = place + 8
        place += 8 + storages[key].nbytes
    if place > size:
        raise damaged(f"it has {size:,} bytes, but its storages end at byte {place:,}")
    return places
