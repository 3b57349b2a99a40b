"""Segmentation models from ONNX files of each form and from functions, and the checks of their answers."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.segmenters import load_segmenter

PHOTOS = np.random.default_rng(0).integers(0, 256, (5, 12, 16, 3), dtype=np.uint8)
BRIGHTEST = PHOTOS.argmax(axis=-1)
"""The class of a pixel is its brightest channel."""


def write(
    path: Path,
    shape: list[str | int],
    *,
    kind: int = TensorProto.FLOAT,
    nodes: list[Any] | None = None,
    answer: int = TensorProto.FLOAT,
) -> str:
    """Write a model whose class scores are the colour channels, unless other nodes are given."""
    taken = helper.make_tensor_value_info("x", kind, shape)
    nodes = nodes or [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    given = helper.make_tensor_value_info("y", answer, None)
    graph = helper.make_graph(nodes, "model", [taken], [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return str(path)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (["n", 3, "h", "w"], TensorProto.FLOAT),
        (["n", "h", "w", 3], TensorProto.UINT8),
        ([2, 3, "h", "w"], TensorProto.FLOAT),
        ([1, 12, 16, 3], TensorProto.UINT8),
    ],
)
def test_models_of_any_layout_type_and_batch(tmp_path, shape, kind):
    np.testing.assert_array_equal(load_segmenter(write(tmp_path / "m.onnx", shape, kind=kind))(PHOTOS), BRIGHTEST)


def test_floats_are_in_0_to_1(tmp_path):
    """With scores of 0 and x - 0.5, class 1 is every pixel brighter than half of white."""
    nodes = [
        helper.make_node("Slice", ["x", "first", "second", "axis"], ["red"]),
        helper.make_node("Sub", ["red", "half"], ["one"]),
        helper.make_node("Sub", ["red", "red"], ["zero"]),
        helper.make_node("Concat", ["zero", "one"], ["y"], axis=1),
    ]
    path = write(tmp_path / "m.onnx", ["n", 3, "h", "w"], nodes=nodes)
    model = onnx.load(path)
    constants = {"first": [0], "second": [1], "axis": [1]}
    model.graph.initializer.extend(numpy_helper.from_array(np.array(v, np.int64), k) for k, v in constants.items())
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))
    onnx.save(model, path)
    np.testing.assert_array_equal(load_segmenter(path)(PHOTOS), PHOTOS[..., 0] > 127)


def test_a_model_of_a_fixed_size_answers_at_the_photos_size(tmp_path):
    ids = load_segmenter(write(tmp_path / "m.onnx", ["n", 3, 6, 8]))(
        np.repeat(np.repeat(PHOTOS[:, :6, :8], 2, 1), 2, 2)
    )
    assert ids.shape == (5, 12, 16)
    # The photos are the model's size doubled: each pixel became a square of one class.
    assert (ids[:, ::2, ::2] == ids[:, 1::2, 1::2]).all()
    assert (ids[:, ::2, ::2] == BRIGHTEST[:, :6, :8]).mean() > 0.8


def test_a_model_may_return_ids(tmp_path):
    nodes = [helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)]
    path = write(tmp_path / "m.onnx", ["n", 3, "h", "w"], nodes=nodes, answer=TensorProto.INT64)
    np.testing.assert_array_equal(load_segmenter(path)(PHOTOS), BRIGHTEST)


def test_files_that_are_not_a_model(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.onnx', but there is no such file"):
        load_segmenter(str(tmp_path / "nowhere.onnx"))
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UserError, match=r"text\.onnx is not a model that onnxruntime can load"):
        load_segmenter(str(tmp_path / "text.onnx"))
    unknown: dict[str, tuple[list[str | int], int]] = {
        "gray": (["n", 1, "h", "w"], TensorProto.FLOAT),
        "flat": (["n", 3], TensorProto.FLOAT),
        "half": (["n", 3, "h", "w"], TensorProto.FLOAT16),
    }
    for name, (shape, kind) in unknown.items():
        with pytest.raises(UserError, match=r"takes x tensor.*but it must take one batch of RGB images"):
            load_segmenter(write(tmp_path / f"{name}.onnx", shape, kind=kind))
    flat = write(tmp_path / "flat.onnx", ["n", 3, "h", "w"], nodes=[helper.make_node("Flatten", ["x"], ["y"])])
    with pytest.raises(UserError, match=r"returned float32 of shape \(5, 576\), but it must"):
        load_segmenter(flat)(PHOTOS)


def test_without_onnxruntime(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'cyclegan-jax\[onnx\]'"):
        load_segmenter(write(tmp_path / "m.onnx", ["n", 3, "h", "w"]))


def right(photos):
    return photos.argmax(axis=-1)


def flat(photos):
    return photos[..., 0].reshape(-1)


def floats(photos):
    return photos[..., 0] / 255


def negative(photos):
    return photos[..., 0].astype(int) - 1


def test_functions_are_checked():
    ids = load_segmenter(f"{__name__}:right")(PHOTOS)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, BRIGHTEST)
    for name in ("flat", "floats"):
        with pytest.raises(UserError, match=rf"{name} returned .* for photos of shape \(5, 12, 16, 3\), .* class ids"):
            load_segmenter(f"{__name__}:{name}")(PHOTOS)
    with pytest.raises(UserError, match=r"class ids -1 to 254"):
        load_segmenter(f"{__name__}:negative")(PHOTOS)
