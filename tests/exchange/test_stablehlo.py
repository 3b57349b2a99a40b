"""A generator as StableHLO: one program for all sizes and platforms."""

import jax
import jax.export
import numpy as np
import pytest

from cyclegan_jax.exchange import stablehlo
from cyclegan_jax.exchange.pretrained import Pretrained
from tests.helpers.generators import images, pretrained


@pytest.fixture(scope="module")
def model() -> Pretrained:
    return pretrained(dtype="bfloat16")


@pytest.fixture(scope="module")
def content(model: Pretrained) -> bytes:
    return stablehlo.encode(model)


def test_the_program_says_what_it_takes(content: bytes) -> None:
    exported = jax.export.deserialize(bytearray(content))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    assert exported.fun_name == "AtoB_of_step_7"
    assert [str(aval) for aval in exported.in_avals] == ["float32[batch,4*h,4*w,3]"]
    assert [str(aval) for aval in exported.out_avals] == ["float32[batch,4*h,4*w,1]"]


def test_a_bfloat16_run_exports_float32(content: bytes) -> None:
    assert b"bf16" not in bytes(jax.export.deserialize(bytearray(content)).mlir_module(), "utf-8")
    assert stablehlo.load(content)(images((1, 8, 12, 3))).dtype == np.float32


def test_equal_models_are_equal_files_without_paths(model: Pretrained, content: bytes) -> None:
    assert stablehlo.encode(model) == content
    assert b".py" not in content


@pytest.mark.parametrize(
    ("shape", "reason"),
    [((1, 10, 12, 3), r"4\*h|10"), ((1, 4, 12, 3), "shapes"), ((1, 12, 12, 1), "shape|3")],
)
def test_jax_refuses_what_the_network_does(content: bytes, shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        stablehlo.load(content)(images(shape))
