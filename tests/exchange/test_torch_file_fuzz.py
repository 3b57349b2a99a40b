"""Damaged and hostile files of weights, from a seed: each is refused in one sentence, or read; none runs or hangs."""

import pickletools
import random
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import torch_file
from tests.exchange.test_torch_file import hostile
from tests.helpers.torch_files import (
    Stored,
    pickled,
    stored,
    stream_file,
    stream_of_pickle,
    tensors_of,
    zip_file,
    zip_of_pickle,
)

FILES = 500
SECONDS = 2.0
DTYPES = {np.dtype(name) for name in ("f4", "f8", "i8", "i4", "i2", "i1", "u1", "?", "c8", "c16")}
ARRAYS = {
    "module.a": np.arange(24, dtype="f4").reshape(4, 6),
    "module.b": np.ones(3, "f2"),
    "module.n": np.array(3, "i8"),
}
STATE: dict[str, Stored] = {name: stored(str(index), array) for index, (name, array) in enumerate(ARRAYS.items())}
STATE["module.t"] = Stored("0", STATE["module.a"].raw, (6, 4), strides=(1, 6))
STORAGES = {tensor.key: tensor for tensor in tensors_of(STATE)}
WHOLE = {
    "zip": zip_file(STATE),
    "stream": stream_file({"state_dict": STATE}),
    "safetensors": safetensors.numpy.save(ARRAYS),
}


def flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def replaced(content: bytes, draw: random.Random) -> bytes:
    """Bytes that are common in lengths and in operations, in place of others."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 2, 4))):
        changed[draw.randrange(len(changed))] = draw.choice(b"\x00\x01\x7f\x80\xff().RQbetuqh\x81\x85\x93\x94cio0")
    return bytes(changed)


def truncated(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def swapped(content: bytes, draw: random.Random) -> bytes:
    a, b, c = sorted(draw.sample(range(len(content) + 1), 3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def doubled(content: bytes, draw: random.Random) -> bytes:
    a, b = sorted(draw.sample(range(len(content) + 1), 2))
    return content[:b] + content[a:]


def injected(content: bytes, draw: random.Random, canary: Path) -> bytes:
    """A pickle with other operations between two of its own: any operation, or a call that makes the canary."""
    places = [place for *_, place in pickletools.genops(content) if place]
    payloads = [payload.operations for payload in hostile(canary).values()]
    any_operation = draw.choice(pickletools.opcodes).code.encode("latin-1") + draw.randbytes(draw.randrange(6))
    new = draw.choice([any_operation, draw.choice(payloads), draw.choice(payloads) + b"0"])
    place = draw.choice(places)
    return content[:place] + new + content[place:]


def mutated(container: str, draw: random.Random, canary: Path) -> bytes:
    """A file of which bytes are changed, or a whole one around a changed pickle."""
    change = draw.choice((flipped, replaced, truncated, swapped, doubled))
    if container == "safetensors" or draw.random() < 0.4:
        return change(WHOLE[container], draw)
    value = STATE if container == "zip" else {"state_dict": STATE}
    content = pickled(value, old=container == "stream")
    content = injected(content, draw, canary) if draw.random() < 0.5 else change(content, draw)
    if container == "zip":
        return zip_of_pickle(content, {key: tensor.raw for key, tensor in STORAGES.items()})
    return stream_of_pickle(content, STORAGES)


def test_the_files_are_whole_before_they_are_changed(tmp_path: Path) -> None:
    for name, content in WHOLE.items():
        (tmp_path / name).write_bytes(content)
        assert torch_file.read(tmp_path / name)["a"].tolist() == ARRAYS["module.a"].tolist()


@pytest.mark.parametrize("container", WHOLE)
def test_changed_files_are_refused_or_read(tmp_path: Path, container: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / "weights.bin"
    draw = random.Random(f"files, {container}")
    counts: Counter[str] = Counter()
    for number in range(FILES):
        path.write_bytes(mutated(container, draw, canary))
        begin = time.process_time()
        try:
            found = torch_file.read(path)
        except UserError as error:
            assert str(error).startswith(f"{path} ") and "\n" not in str(error) and len(str(error)) < 600, number
            counts["refused"] += 1
        else:
            assert found and all(isinstance(name, str) for name in found)
            assert {array.dtype for array in found.values()} <= DTYPES
            assert sum(array.nbytes for array in found.values()) <= 1 << 20
            sum(array.sum() for array in found.values())  # all elements are there
            counts["read"] += 1
        assert time.process_time() - begin < SECONDS, number
        assert not canary.exists(), number
    print(f"{container}: {dict(counts)}")
    assert counts["refused"] > FILES / 2 and counts["read"] > FILES / 100, counts
