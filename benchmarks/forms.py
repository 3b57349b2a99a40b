"""Our networks without a form of their own: each layer's arithmetic as it is written, for a comparison."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

import jax

from cyclegan_jax.kernels import convolution
from cyclegan_jax.kernels import instance_norm as norm


def _never(*shape: Any) -> bool:
    return False


def _nearest_then_conv(x: jax.Array, kernel: jax.Array, strides: Any, padding: Any, **options: Any) -> jax.Array:
    return convolution.conv_general_dilated(convolution.upsample_nearest(x), kernel, strides, padding, **options)


def _norm_as_derived(x: jax.Array) -> jax.Array:
    return norm.normalize(x, *norm.statistics(x))


FORMS: dict[str, tuple[ModuleType, str, Callable[..., Any]]] = {
    "winograd": (convolution, "_winograd_is_faster", _never),
    "thin": (convolution, "_thin_is_faster", _never),
    "taps": (convolution, "_taps_are_faster", _never),
    "doubling": (convolution, "on_gpu", _never),
    "norm": (norm, "instance_norm", _norm_as_derived),
    "upsampling": (convolution, "conv_of_nearest_upsampled", _nearest_then_conv),
}
"""By name: what is replaced, and by what. `doubling` and `norm` are forms for GPU, the others for CPU; `upsampling` is
one for both."""


@contextlib.contextmanager
def without(names: Sequence[str]) -> Iterator[None]:
    """What is traced inside has the plain forms; `all` names every one."""
    with contextlib.ExitStack() as stack:
        for name, (module, function, plain) in FORMS.items():
            if name in names or "all" in names:
                stack.enter_context(mock.patch.object(module, function, plain))
        yield
