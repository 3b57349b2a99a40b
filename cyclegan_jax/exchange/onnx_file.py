"""A generator as an ONNX file: the graph of `onnx_graph.py` with properties, checked by ONNX, run by its runtime."""

import importlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import cyclegan_jax
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import onnx_graph
from cyclegan_jax.exchange.onnx_graph import FLOAT, INPUT, OUTPUT, UINT8, Graph
from cyclegan_jax.exchange.pretrained import Pretrained

OPSET: Final = 18
"""The version of ONNX's operations, of 2022: onnxruntime reads it from 1.14 on."""
_MOST_BYTES: Final = 2**31 - 2**20
"""Protocol buffers, of which an ONNX file is one, hold less than 2 GiB. 1 MiB is left for what is not weights."""


def check_installed() -> None:
    """Return if the packages of the extra `onnx` can be imported.

    Raises:
        UserError: one of them is missing.
    """
    for name in ("onnx", "onnxruntime"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(
                f"an ONNX file needs {name}, which is not installed: pip install 'cyclegan-jax[onnx]'"
            ) from error


def encode(model: Pretrained, *, uint8: bool = False) -> bytes:
    """The content of an ONNX file that holds the generator, checked by ONNX's own checker.

    The weights are float32. The input is called `image` and the output `translated`; their batch, height and width may
    vary. The properties of the file (`metadata_props`) say what it translates.

    Args:
        model: the generator.
        uint8: whether both ends are (N, H, W, C) uint8 in [0, 255], instead of (N, C, H, W) float32 in [-1, 1].

    Raises:
        UserError: the generator is too large for an ONNX file, or `uint8` is asked of one whose images have a stated
            range.
    """
    import onnx

    for domain in model.domains if uint8 else ():
        if (limits := model.config.data.value_range(domain)) is not None:
            raise UserError(f"data.range_{domain} is {limits}, which uint8 images cannot hold: export without --uint8")
    graph = onnx_graph.build(model, uint8=uint8)
    size = sum(value.nbytes for value in graph.constants.values())
    if size > _MOST_BYTES:
        raise UserError(
            f"the generator's weights take {size / 1e9:.1f} GB, but an ONNX file holds at most 2.1 GB: choose another "
            "--format"
        )
    proto = _proto(graph, model, uint8)
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def properties(model: Pretrained, *, uint8: bool) -> dict[str, str]:
    """What the file says of itself, by name."""
    data = model.config.data
    value_range = "0 to 255" if uint8 else "-1 to 1"
    multiple, minimum = model.sides
    found = {
        "cyclegan_jax_version": cyclegan_jax.__version__,
        "direction": model.direction,
        "step": str(model.step),
        "sides": f"multiples of {multiple}, at least {minimum}",
    }
    for end, domain in zip(("input", "output"), model.domains, strict=True):
        ranges = data.band_ranges(domain) or ()
        ranges = ranges[:1] if len(set(ranges)) == 1 else ranges
        stored = ", ".join(f"{low:g} to {high:g}" for low, high in ranges)
        found[f"{end}_domain"] = data.subject(domain)
        found[f"{end}_range"] = value_range + (f", for {stored}" if stored else "")
    return found


def load(content: bytes, *, uint8: bool = False) -> Callable[[np.ndarray], np.ndarray]:
    """The content of an ONNX file as a function of (N, H, W, C) images, computed by ONNX Runtime on the CPU.

    On a GPU it may round float32 products to TF32, which would hide small mistakes in the graph.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def call(images: np.ndarray) -> np.ndarray:
        taken = images if uint8 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        (output,) = session.run([OUTPUT], {INPUT: taken})
        return np.asarray(output) if uint8 else np.asarray(output).transpose(0, 2, 3, 1)

    return call


def _proto(graph: Graph, model: Pretrained, uint8: bool) -> Any:
    from onnx import helper, numpy_helper

    def end(name: str, channels: int) -> Any:
        shape: list[str | int] = (
            ["batch", "height", "width", channels] if uint8 else ["batch", channels, "height", "width"]
        )
        return helper.make_tensor_value_info(name, UINT8 if uint8 else FLOAT, shape)

    source, target = map(model.config.data.channels, model.domains)
    opset = [helper.make_opsetid("", OPSET)]
    built = helper.make_graph(
        [helper.make_node(one.operation, one.inputs, [one.output], **one.attributes) for one in graph.nodes],
        f"generator_{model.direction}",
        [end(INPUT, source)],
        [end(OUTPUT, target)],
        [numpy_helper.from_array(value, name) for name, value in graph.constants.items()],
    )
    proto = helper.make_model(
        built,
        opset_imports=opset,
        # By default onnx writes the newest version of the file format, which older runtimes refuse.
        ir_version=helper.find_min_ir_version_for(opset),
        producer_name="cyclegan-jax",
        producer_version=cyclegan_jax.__version__,
    )
    helper.set_model_props(proto, properties(model, uint8=uint8))
    return proto
