"""Which form each layer takes: without this, the comparisons of the forms could be of forms that nothing uses."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import jaxprs_in_params

from cyclegan_jax import recipes
from cyclegan_jax.config import DataConfig
from cyclegan_jax.kernels import convolution
from cyclegan_jax.kernels.choice import Form, Kernels, Limits
from cyclegan_jax.networks import cyclegan
from tests.conftest import tiny_config
from tests.helpers.kernels import ON_CPU, ON_GPU, PLAIN

FLOAT32 = jnp.dtype("float32")


@dataclasses.dataclass(frozen=True)
class Recording(Kernels):
    """Keeps each answer with the kernel's shape that it was for."""

    answers: list[tuple[str, str]] = dataclasses.field(default_factory=list, compare=False)

    def convolution(self, image: Sequence[int], kernel: Sequence[int], dtype: Any, **options: Any) -> Any:
        return self._kept(super().convolution(image, kernel, dtype, **options), kernel, image[1])

    def doubling_convolution(self, kernel: Sequence[int]) -> Any:
        return self._kept(super().doubling_convolution(kernel), kernel)

    def upsampled_convolution(self, dtype: Any) -> Any:
        return self._kept(super().upsampled_convolution(dtype))

    def instance_norm(self) -> Any:
        return self._kept(super().instance_norm())

    def _kept(self, form: str, kernel: Sequence[int] = (), side: int | None = None) -> str:
        name = "x".join(map(str, kernel[:2])) + " " + " to ".join(map(str, kernel[2:])) if kernel else "whole"
        self.answers.append((f"{name} at {side}" if side else name, form))
        return form


def forms_of(recipe: str, platform: str) -> tuple[dict[Any, int], dict[Any, int]]:
    """How often each form is chosen in a pass of a recipe's generator and of its discriminator at 128 px."""
    config = dataclasses.replace(getattr(recipes, recipe)(), data=DataConfig(image_size=128))
    kernels = Recording(Kernels.for_platform(platform).forms)
    networks = cyclegan.define(config, kernels=kernels)
    params = jax.eval_shape(lambda: cyclegan.initialize(config, jax.random.key(0)))
    images = jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.float32)
    counts = []
    for network, of in (
        (networks.generators["AtoB"], params["generators"]["AtoB"]),
        (networks.discriminators["A"], params["discriminators"]["A"]),
    ):
        kernels.answers.clear()
        jax.eval_shape(lambda params, x, network=network: nnx.merge(network, params)(x), of, images)
        counts.append(dict(Counter(kernels.answers)))
    return counts[0], counts[1]


STEM, HEAD = "7x7 3 to 64 at 134", "7x7 64 to 3 at 134"
DOWN = ("3x3 64 to 128 at 128", "3x3 128 to 256 at 64")
BLOCKS = "3x3 256 to 256 at 34"
PAPER_UP = ("3x3 256 to 128", "3x3 128 to 64")
JUDGE = ("4x4 3 to 64 at 128", "4x4 64 to 128 at 64", "4x4 128 to 256 at 32")
TABLE = {
    ("paper", "cpu"): (
        {
            (STEM, "few_channels"): 1,
            **{(layer, "taps"): 1 for layer in (*DOWN, *PAPER_UP)},
            (BLOCKS, "winograd"): 18,
            (HEAD, "few_channels"): 1,
            ("whole", "plain"): 23,
        },
        {
            **{(layer, "taps"): 1 for layer in JUDGE},
            ("4x4 256 to 512 at 16", "plain"): 1,
            ("4x4 512 to 1 at 15", "taps"): 1,
            ("whole", "plain"): 3,
        },
    ),
    ("pytorch_gan", "cpu"): (
        {
            (STEM, "few_channels"): 1,
            **{(layer, "taps"): 1 for layer in DOWN},
            (BLOCKS, "winograd"): 18,
            ("whole", "shared_upsampling"): 2,
            (HEAD, "few_channels"): 1,
            ("whole", "plain"): 23,
        },
        {
            **{(layer, "taps"): 1 for layer in (*JUDGE, "4x4 256 to 512 at 16", "4x4 512 to 1 at 8")},
            ("whole", "plain"): 3,
        },
    ),
    ("paper", "gpu"): (
        {
            **{(layer, "plain"): 1 for layer in (STEM, *DOWN, HEAD)},
            (BLOCKS, "plain"): 18,
            **{(layer, "doubling"): 1 for layer in PAPER_UP},
            ("whole", "few_pass_norm"): 23,
        },
        {
            **{(layer, "plain"): 1 for layer in (*JUDGE, "4x4 256 to 512 at 16", "4x4 512 to 1 at 15")},
            ("whole", "few_pass_norm"): 3,
        },
    ),
    ("pytorch_gan", "gpu"): (
        {
            **{(layer, "plain"): 1 for layer in (STEM, *DOWN, HEAD)},
            (BLOCKS, "plain"): 18,
            ("whole", "folded_upsampling"): 2,
            ("whole", "few_pass_norm"): 23,
        },
        {
            **{(layer, "plain"): 1 for layer in (*JUDGE, "4x4 256 to 512 at 16", "4x4 512 to 1 at 8")},
            ("whole", "few_pass_norm"): 3,
        },
    ),
    ("paper", "tpu"): (
        {
            **{(layer, "plain"): 1 for layer in (STEM, *DOWN, *PAPER_UP, HEAD)},
            (BLOCKS, "plain"): 18,
            ("whole", "few_pass_norm"): 23,
        },
        {
            **{(layer, "plain"): 1 for layer in (*JUDGE, "4x4 256 to 512 at 16", "4x4 512 to 1 at 15")},
            ("whole", "few_pass_norm"): 3,
        },
    ),
}
"""How often a pass of a generator and of a discriminator takes each form for each layer, named by its kernel and, where
the form depends on it, the side of its padded input. Instance norms and nearest upsamplings are "whole"."""


@pytest.mark.parametrize(("recipe", "platform"), TABLE)
def test_the_table_of_choices(recipe, platform):
    assert forms_of(recipe, platform) == TABLE[recipe, platform]


@pytest.mark.parametrize(
    ("image", "side", "padding", "dtype"),
    [
        ((1, 34, 34, 64), 3, 0, "float32"),  # few channels
        ((1, 10, 10, 256), 3, 0, "float32"),  # few pixels
        ((1, 35, 34, 256), 3, 0, "float32"),  # an odd side
        ((1, 32, 32, 256), 3, 1, "float32"),  # padding
        ((1, 34, 34, 256), 3, 0, "bfloat16"),  # few digits
        ((1, 38, 38, 3), 7, 0, "bfloat16"),
        ((1, 38, 38, 5), 7, 0, "float32"),
        ((1, 800, 800, 3), 7, 0, "float32"),  # too much memory
    ],
)
def test_shapes_and_types_that_keep_the_plain_form(image, side, padding, dtype):
    kernel = (side, side, image[3], max(image[3], 64))
    pads = ((padding, padding), (padding, padding))
    kernels = ON_CPU.without("taps")
    assert kernels.convolution(image, kernel, jnp.dtype(dtype), stride=1, padding=pads) == "plain"


def form_of(kernels: Kernels, image: tuple[int, ...], kernel: tuple[int, ...], stride: int = 1) -> str:
    """The form of an unpadded convolution in float32."""
    return kernels.convolution(image, kernel, FLOAT32, stride=stride, padding=convolution.UNPADDED)


@pytest.mark.parametrize("form", ["winograd", "few_channels", "taps"])
def test_a_form_can_be_switched_off(form: Form):
    images: dict[Form, tuple[tuple[int, ...], tuple[int, ...], int]] = {
        "winograd": ((1, 34, 34, 256), (3, 3, 256, 256), 1),
        "few_channels": ((1, 38, 38, 3), (7, 7, 3, 64), 1),
        "taps": ((1, 34, 34, 64), (3, 3, 64, 128), 2),
    }
    image, kernel, stride = images[form]
    assert form_of(ON_CPU, image, kernel, stride) == form
    assert form_of(ON_CPU.without(form), image, kernel, stride) == "plain"
    assert form in ON_CPU.forms


def test_upsampling_in_16_bits_is_not_shared():
    assert ON_CPU.upsampled_convolution(FLOAT32) == "shared_upsampling"
    assert ON_CPU.upsampled_convolution(jnp.dtype("bfloat16")) == "plain"
    assert ON_GPU.upsampled_convolution(jnp.dtype("bfloat16")) == "folded_upsampling"


def test_networks_keep_the_platform_they_were_defined_for(monkeypatch):
    asked = []

    def backend() -> Literal["gpu"]:
        asked.append(1)
        return "gpu"

    monkeypatch.setattr(jax, "default_backend", backend)
    config = tiny_config()
    networks = cyclegan.define(config)
    assert len(asked) == 1
    monkeypatch.undo()
    assert networks == cyclegan.define(config, kernels=ON_GPU)
    assert hash(networks.generators["AtoB"]) == hash(cyclegan.define(config, kernels=ON_GPU).generators["AtoB"])
    assert networks != cyclegan.define(config, kernels=PLAIN)
    # Weights know nothing of forms: a definition for one platform takes those made for another.
    params = cyclegan.initialize(config, jax.random.key(0))["generators"]
    images = np.random.default_rng(0).uniform(-1, 1, (1, 24, 24, 3)).astype(np.float32)
    plain = cyclegan.define(config, kernels=PLAIN).generate(params, "AtoB", images)
    np.testing.assert_allclose(networks.generate(params, "AtoB", images), plain, atol=1e-4)


@pytest.mark.parametrize("operation", ["doubling", "upsampled"])
def test_which_form_doubles_on_gpu(operation):
    """No convolution there has zeros between its input's pixels but one by a mirrored kernel, which cuDNN knows."""
    arrays = jnp.ones((1, 6, 6, 4)), jnp.ones((3, 3, 4, 2))

    def convolutions(kernels: Kernels) -> list[tuple[Any, str | None, tuple[int, ...]]]:
        def total(x: jax.Array, kernel: jax.Array) -> jax.Array:
            if operation == "doubling":
                return jnp.sum(jnp.sin(convolution.convolve_doubling(x, kernel, kernels, before=1)))
            return jnp.sum(jnp.sin(convolution.convolve_upsampled(x, kernel, kernels)))

        program = jax.make_jaxpr(jax.grad(total, argnums=(0, 1)))(*arrays)
        made_by = {var: eqn.primitive.name for eqn in equations(program.jaxpr) for var in eqn.outvars}
        return [
            (eqn.params["lhs_dilation"], made_by.get(eqn.invars[1]), eqn.outvars[0].aval.shape)
            for eqn in equations(program.jaxpr)
            if eqn.primitive.name == "conv_general_dilated"
        ]

    on_gpu = convolutions(ON_GPU)
    assert [(kernel, shape) for spread, kernel, shape in on_gpu if spread == (2, 2)] == [("rev", (1, 12, 12, 2))]
    # Elsewhere, as on a TPU, it is what is written.
    assert convolutions(Kernels.for_platform("tpu")) == convolutions(PLAIN) != on_gpu


def equations(jaxpr: Any) -> Any:
    """The equations of a program and of those inside it."""
    for eqn in jaxpr.eqns:
        yield eqn
        for inner in jaxprs_in_params(eqn.params):
            yield from equations(inner)


def test_limits_can_be_moved():
    image, kernel = (1, 6, 6, 4), (3, 3, 4, 4)
    assert form_of(ON_CPU, image, kernel) == "taps"
    assert form_of(Kernels(ON_CPU.forms, Limits(winograd_channels=4, winograd_tiles=9)), image, kernel) == "winograd"
