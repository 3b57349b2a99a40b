"""The first batches of two small folders, by their hash: order, crops and flips must not change between versions.

A resumed run continues at a position of this sequence, so that any change to it would change old runs.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from cyclegan_jax.data.batches import train_iterator
from cyclegan_jax.data.open_dataset import open_dataset
from tests.helpers.examples import config


def write_folder(root: Path, kind: str) -> None:
    """5 images of A and 7 of B in different sizes: 8-bit RGB files, or 16-bit arrays in A."""
    for domain, number in (("A", 5), ("B", 7)):
        folder = root / f"train{domain}"
        folder.mkdir()
        rng = np.random.default_rng(number)
        for index in range(number):
            shape = (12 + index, 17 - index, 3)
            if kind == "16-bit" and domain == "A":
                np.save(folder / f"{index}.npy", rng.integers(0, 4096, shape, dtype=np.uint16))
            else:
                Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{index}.png")


RESIZED: dict[str, Any] = {"load_size": 11, "threads": 2}
# Floats are not resized here: their sums may round differently on another processor.
CROPPED: dict[str, Any] = {"preprocess": "crop", "range_A": (0.0, 4095.0), "cache_gib": 0.01}

# Pillow 13 rounds the pixels of a resized image in another way than Pillow 12.
RESIZED_HASHES = {
    12: "c699674b3c4742c70f491298cf6b022ace4cf6ebc007fd73deff52eaa6d96ccb",
    13: "666fe79b8573c343032f26423b8c33d1804867ca6bf8e723e84e7586f143bcdc",
}


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("8-bit", RESIZED, RESIZED_HASHES[int(PIL.__version__.partition(".")[0])]),
        ("16-bit", CROPPED, "b5651d8e48137310a70e1b346b9615c9946a09c152d16fe0120ae76b55590b33"),
    ],
)
def test_first_batches_are_those_of_older_versions(
    tmp_path: Path, kind: str, data: dict[str, Any], expected: str
) -> None:
    write_folder(tmp_path, kind)
    experiment = config(batch_size=4, seed=3, dir=str(tmp_path), **data)
    iterator = train_iterator(open_dataset(experiment.data), experiment)
    digest = hashlib.sha256()
    for _ in range(8):  # more than four epochs of B
        batch = next(iterator)
        digest.update(batch["A"].tobytes() + batch["B"].tobytes())
    iterator.close()
    assert digest.hexdigest() == expected
