"""Checksums of a checkpoint: Orbax loads an array with a flipped bit as if nothing were wrong.

Each array of a state has its own, and the metadata, which hold them, have one as well. They are part of the checkpoint,
so that they are there exactly if it is.
"""

import json
import zlib
from typing import Any, Final

import jax
import numpy as np

Checksums = dict[str, int]

_OF_METADATA: Final = "checksum"


class DamagedError(Exception):
    """What was read is not what was saved; says which part."""


def of_tree(tree: Any) -> Checksums:
    """The CRC-32 of each array of a tree, by its path, such as `generators/AtoB/head/kernel`."""
    # All at once to the host: one array at a time would wait for the device each time.
    leaves = jax.tree.leaves_with_path(jax.device_get(tree))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): _of_array(leaf) for path, leaf in leaves}


def check_tree(tree: Any, saved: Checksums, prefix: str = "") -> None:
    """Compare the arrays of a tree with the checksums that were saved.

    Args:
        tree: what was loaded.
        saved: the checksums of the whole state.
        prefix: the path of `tree` in the state, where it is a part of it.

    Raises:
        DamagedError: an array is another than the one that was saved.
    """
    for name, found in of_tree(tree).items():
        if saved.get(prefix + name) != found:
            raise DamagedError(f"the array {prefix + name} is not the one that was saved")


def seal(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata, JSON values, with their own checksum added."""
    return {**metadata, _OF_METADATA: _of_json(metadata)}


def unseal(metadata: Any) -> dict[str, Any]:
    """Metadata as they were before `seal`.

    Raises:
        DamagedError: they are others, or none.
    """
    if not isinstance(metadata, dict) or _OF_METADATA not in metadata:
        raise DamagedError("its metadata are missing")
    rest = {name: value for name, value in metadata.items() if name != _OF_METADATA}
    if _of_json(rest) != metadata[_OF_METADATA]:
        raise DamagedError("its metadata are not those that were saved")
    return rest


def _of_array(array: Any) -> int:
    array = np.ascontiguousarray(array)
    return zlib.crc32(array.reshape(-1).view(np.uint8)) if array.size else 0


def _of_json(values: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())
