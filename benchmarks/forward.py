"""A generator's forward pass in five runtimes, all with the same weights and images."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import torch
from flax import nnx

from benchmarks import onnx_graph, sides
from benchmarks.turns import Side
from cyclegan_jax import optimizer, state
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.generator import GeneratorNetwork
from tests.parity.exchange import from_torch, nchw

TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}
"""Largest difference of two outputs in [-1, 1]; the outputs of untrained networks spread over most of that range."""


@dataclass(frozen=True)
class Forward:
    """One runtime with the generator loaded.

    Attributes:
        side: what is timed.
        output: translates the images once; returns (N, H, W, C) float32.
    """

    side: Side
    output: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Work:
    """What every runtime computes.

    Attributes:
        config: the experiment; its generator and its number type count.
        network: the PyTorch reference, whose weights all runtimes get.
        images: (N, H, W, C) float32 in [-1, 1].
        device: `cpu` or `gpu`.
    """

    config: TrainConfig
    network: Any
    images: np.ndarray
    device: str


def make_work(config: TrainConfig, device: str) -> Work:
    """Fresh weights and images for a config."""
    torch.manual_seed(0)
    return Work(config, sides.torch_generator(config), sides.images(config)[0], device)


def ours(work: Work) -> Forward:
    """This package, compiled by XLA for the images' shape."""
    config = work.config
    definition = cyclegan.define(config).generators["AtoB"]
    fresh = jax.jit(lambda: state.create(config, optimizer.adam(config.optimizer)))().generators["AtoB"]
    params = jax.device_put(from_torch(work.network, fresh))
    images = jax.device_put(work.images)

    def translate(params: Any, images: jax.Array) -> jax.Array:
        network: GeneratorNetwork = nnx.merge(definition, params)
        return network(images)

    begin = time.perf_counter()
    compiled = jax.jit(translate).lower(params, images).compile()
    side = sides.started(lambda: jax.block_until_ready(compiled(params, images)), begin, sides.peak(compiled))
    return Forward(side, lambda: np.asarray(compiled(params, images), np.float32))


def pytorch(work: Work, *, tuned: bool) -> Forward:
    """PyTorch in eager mode; tuned: `torch.compile`, channels last, kernels chosen by trial."""
    begin, held = time.perf_counter(), sides.torch_memory(work.device)
    # A copy: moving a module to a device or memory format changes it in place.
    network = sides.torch_generator(work.config)
    network.load_state_dict(work.network.state_dict())
    network = sides.placed(network, work.device, tuned)
    images = sides.torch_images(work.images, work.device, tuned)

    def translate() -> torch.Tensor:
        torch.backends.cudnn.benchmark = tuned  # global to PyTorch, and both ways take turns
        with torch.inference_mode(), sides.autocast(work.config, work.device):
            output: torch.Tensor = network(images)
        if work.device == "gpu":
            torch.cuda.synchronize()
        return output

    side = sides.torch_started(lambda: _discard(translate()), begin, held, work.device)
    return Forward(side, lambda: np.moveaxis(translate().float().cpu().numpy(), 1, -1))


def onnxruntime(work: Work) -> Forward:
    """ONNX Runtime on CPU, with as many threads as PyTorch."""
    import onnxruntime as runtime

    begin = time.perf_counter()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    images = nchw(work.images).numpy()
    model = onnx_graph.model(work.network, images.shape)
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def translate() -> np.ndarray:
        (output,) = session.run([onnx_graph.OUTPUT], {onnx_graph.INPUT: images})
        return np.asarray(output)

    side = sides.started(lambda: _discard(translate()), begin, None)
    return Forward(side, lambda: np.moveaxis(translate(), 1, -1))


def openvino(work: Work) -> Forward:
    """OpenVINO on CPU in float32, tuned for latency, with as many threads as PyTorch."""
    import openvino as runtime

    begin = time.perf_counter()
    images = nchw(work.images).numpy()
    core = runtime.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    model = core.read_model(onnx_graph.model(work.network, images.shape))
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def translate() -> np.ndarray:
        request.infer({onnx_graph.INPUT: images}, share_inputs=True)
        return np.asarray(request.get_output_tensor().data)

    side = sides.started(lambda: _discard(translate()), begin, None)
    return Forward(side, lambda: np.moveaxis(translate().copy(), 1, -1))


def check(forwards: dict[str, Forward], dtype: str) -> None:
    """Compare each runtime's output with the first one's, before anything is timed.

    Raises:
        AssertionError: an output differs by more than `TOLERANCE`, or is too uniform for the comparison to mean much.
    """
    reference = next(iter(forwards.values())).output()
    assert reference.std() > TOLERANCE[dtype], f"the outputs vary by {reference.std():.2g} only"
    for name, forward in forwards.items():
        difference = np.abs(forward.output() - reference).max()
        assert difference <= TOLERANCE[dtype], f"{name} differs by {difference:.2g}, above {TOLERANCE[dtype]:.2g}"
        print(f"{name}: largest difference {difference:.1e}")


def _discard(output: Any) -> None:
    """Drop a result that only had to be computed."""
