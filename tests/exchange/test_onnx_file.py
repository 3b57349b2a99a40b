"""A generator as an ONNX file: its ends, its properties, and what ONNX Runtime computes."""

import dataclasses

import jax
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import agreement, onnx_file, onnx_graph
from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.networks import cyclegan
from tests.helpers.generators import images, pretrained


@pytest.fixture(scope="module")
def model() -> Pretrained:
    return pretrained()


def generator(model: Pretrained) -> Generator:
    definition = cyclegan.define_generator(model.config, model.direction)
    return Generator(model.config, model.direction, model.step, definition, model.params)


def ends(proto: onnx.ModelProto) -> list[tuple[str, int, list[str | int]]]:
    return [
        (end.name, end.type.tensor_type.elem_type, [side.dim_param or side.dim_value for side in shape])
        for end in (*proto.graph.input, *proto.graph.output)
        for shape in [end.type.tensor_type.shape.dim]
    ]


def test_the_file_says_what_it_takes(model: Pretrained) -> None:
    proto = onnx.load_from_string(onnx_file.encode(model))
    assert [(one.domain, one.version) for one in proto.opset_import] == [("", 18)]
    assert proto.ir_version == 8
    assert ends(proto) == [
        ("image", TensorProto.FLOAT, ["batch", 3, "height", "width"]),
        ("translated", TensorProto.FLOAT, ["batch", 1, "height", "width"]),
    ]
    said = {one.key: one.value for one in proto.metadata_props}
    assert said["direction"] == "AtoB" and said["step"] == "7" and said["input_range"] == "-1 to 1"
    assert said["sides"] == "multiples of 4, at least 8"


def test_its_layers_are_named_as_in_the_network(model: Pretrained) -> None:
    graph = onnx.load_from_string(onnx_file.encode(model)).graph
    assert {"stem.kernel", "blocks.0.conv2.bias", "up.1.kernel", "head.bias"} <= {one.name for one in graph.initializer}
    used = {name for node in graph.node for name in node.input}
    assert {one.name for one in graph.initializer} <= used


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_uint8_ends_equal_translate_uint8(upsample: str) -> None:
    model = pretrained({"upsample": upsample})
    content = onnx_file.encode(model, uint8=True)
    assert ends(onnx.load_from_string(content)) == [
        ("image", TensorProto.UINT8, ["batch", "height", "width", 3]),
        ("translated", TensorProto.UINT8, ["batch", "height", "width", 1]),
    ]
    taken = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), np.uint8)
    found = onnx_file.load(content, uint8=True)(taken)
    expected = generator(model).translate_uint8(taken)
    assert found.dtype == np.uint8 and found.shape == expected.shape and np.ptp(found) > 200
    difference = np.abs(found.astype(int) - expected)
    # Where a value is half-way between two levels, rounding may take either.
    assert difference.max() <= 1 and (difference == 0).mean() > 0.99


def test_a_bfloat16_run_exports_float32() -> None:
    model = pretrained(dtype="bfloat16")
    taken = images((1, 16, 24, 3))
    found = onnx_file.load(onnx_file.encode(model))(taken)
    assert found.dtype == np.float32
    in_float32 = dataclasses.replace(model, config=dataclasses.replace(model.config, dtype="float32"))
    assert np.abs(found - generator(in_float32)(taken)).max() < 1e-5
    assert np.abs(found - generator(model)(taken)).max() > 1e-3


@pytest.mark.usefixtures("x64")
def test_a_float64_run_exports_float32() -> None:
    model = pretrained(dtype="float64")
    assert all(leaf.dtype == np.float64 for leaf in jax.tree.leaves(model.params))
    found = onnx_file.load(onnx_file.encode(model))(images((1, 16, 24, 3)))
    assert found.dtype == np.float32
    assert np.abs(found - generator(model)(images((1, 16, 24, 3)).astype(np.float64))).max() < 1e-5


@pytest.mark.usefixtures("x64")
def test_a_flat_image_has_no_noise() -> None:
    model = pretrained({"blocks": 4, "width": 8, "norm": "instance_affine"}, dtype="float64")
    white = np.full((1, 64, 64, 3), 0.9)
    found = onnx_file.load(onnx_file.encode(model))(white.astype(np.float32))
    np.testing.assert_allclose(found, generator(model)(white), atol=1e-4)


def test_a_wrong_graph_is_found(model: Pretrained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "EPS", 0.01)
    program = onnx_file.load(onnx_file.encode(model))
    with pytest.raises(UserError, match="the exported model differs from the generator by up to"):
        agreement.check(program, model)


def test_a_stated_range_has_no_uint8_form() -> None:
    data = DataConfig(image_size=24, load_size=26, range_B=(0, 4095))
    model = pretrained(data=data)
    with pytest.raises(
        UserError, match=r"data.range_B is .*4095.*, which uint8 images cannot hold: .* without --uint8"
    ):
        onnx_file.encode(model, uint8=True)
    said = {one.key: one.value for one in onnx.load_from_string(onnx_file.encode(model)).metadata_props}
    assert said["output_range"] == "-1 to 1, for 0 to 4095"


def test_a_generator_above_two_gigabytes_is_refused(model: Pretrained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "_MOST_BYTES", 1000)
    with pytest.raises(UserError, match=r"weights take .* GB, but an ONNX file holds at most 2\.1 GB: choose another"):
        onnx_file.encode(model)
