"""CRC-32 checksums of arrays and metadata: they find a flipped byte, which Orbax loads without an error.

The checksums of the arrays are taken from memory, before anything is written, and are stored in the metadata. The
metadata has a checksum of its own. Orbax commits all of it with one rename, so a checkpoint and its checksums cannot
come from different saves.
"""

import json
import zlib
from typing import Any

import jax
import numpy as np

Tree = Any
"""A pytree of nested dictionaries and optax's named tuples, with arrays or `jax.ShapeDtypeStruct` for leaves."""


class ChecksumError(Exception):
    """A checksum is missing, or does not fit what it was computed from; its text says which."""


def leaf_names(tree: Tree) -> list[str]:
    """The leaves' names in flattening order, such as `generators.AtoB.blocks.0.conv1.kernel`."""
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree.leaves_with_path(tree)]


def describe(tree: Tree) -> dict[str, dict[str, Any]]:
    """The shape, dtype and CRC-32 of each host array, by leaf name."""

    def describe_leaf(leaf: Any) -> dict[str, Any]:
        # The dtype and shape are compared too: the same bytes could be read as another type.
        flat = np.ascontiguousarray(leaf).reshape(-1)
        return {"shape": list(np.shape(leaf)), "dtype": str(flat.dtype), "crc32": zlib.crc32(flat.view(np.uint8).data)}

    return {name: describe_leaf(leaf) for name, leaf in zip(leaf_names(tree), jax.tree.leaves(tree), strict=True)}


def differing(tree: Tree, expected: dict[str, dict[str, Any]]) -> list[str]:
    """The names of the host arrays in `tree` that are not what `describe` recorded in `expected`."""
    return [name for name, found in describe(tree).items() if found != expected[name]]


def sign(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata with the CRC-32 of its canonical JSON text added as `checksum`."""
    # Sorted keys: the order of a JSON object may change between writing and reading.
    text = json.dumps(metadata, sort_keys=True)
    return metadata | {"checksum": zlib.crc32(text.encode())}


def unsign(signed: dict[str, Any]) -> dict[str, Any]:
    """The metadata without its `checksum`.

    Raises:
        ChecksumError: there is no checksum, or it does not fit the metadata.
    """
    metadata = {name: value for name, value in signed.items() if name != "checksum"}
    if "checksum" not in signed:
        raise ChecksumError("has no checksum")
    if sign(metadata)["checksum"] != signed["checksum"]:
        raise ChecksumError("is not what was written")
    return metadata
