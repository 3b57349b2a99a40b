"""Which form each operation takes on a platform: the one place where forms are chosen.

XLA compiles every operation as it is written (`plain.py`), but on some platforms another form of the same arithmetic is
faster. A `Kernels` lists the forms that may be used, and answers for each operation and shape which one is.
`Kernels.for_platform()` makes it for the platform at hand; the networks' constructors call it once and keep the result.
Tests and benchmarks make one for another platform, switch forms off with `without`, or move the limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import jax
import jax.numpy as jnp

Form = Literal[
    "winograd", "few_channels", "taps", "shared_upsampling", "folded_upsampling", "doubling", "few_pass_norm"
]
"""The forms besides the plain ones, each described in the module that computes it:

- `winograd`: 3x3 convolutions with fewer products (`winograd.py`).
- `few_channels`: the 7x7 convolutions from and to an image (`few_channels.py`).
- `taps`: weight gradients of other convolutions, one matrix product per tap (`taps.py`).
- `shared_upsampling`: nearest upsampling and its convolution with shared products (`upsampling.py`).
- `folded_upsampling`: the same two folded into one doubling convolution (`doubling.py`).
- `doubling`: doubling convolutions as the gradient of a stride-2 convolution (`doubling.py`).
- `few_pass_norm`: instance norm with its gradient in closed form (`instance_norm.py`).
"""

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Zeros around an image: ((top, bottom), (left, right))."""

_FORMS: Final[Mapping[str, frozenset[Form]]] = {
    "cpu": frozenset({"winograd", "few_channels", "taps", "shared_upsampling"}),
    # cuDNN computes plain convolutions well, but has no kernels for images with zeros between their pixels.
    "gpu": frozenset({"doubling", "folded_upsampling", "few_pass_norm"}),
}
_OTHER_FORMS: Final[frozenset[Form]] = frozenset({"few_pass_norm"})
"""For TPUs: nothing has been measured there, but an accelerator's norms cost what they read and write."""


@dataclass(frozen=True)
class Limits:
    """From which shapes on a form is used.

    The measurements are of two CPU cores, float32, batch 1 (docs/benchmarks.md). "Alone" compares one layer, forward
    and backward, with XLA's form of it; "the step" compares a training step with the same step without the form.
    """

    winograd_channels: int = 128
    """Fewest input and output channels. Alone: 256 channels at 32x32 1.67x faster, 128 channels at 16x16 0.95x.
    The step with 256 channels at 128 px 1.31x faster, with 128 channels at 64 px 1.10x."""

    winograd_tiles: int = 64
    """Fewest 2x2 tiles, counted over the batch: those of one 16x16 image, the smallest shape measured above."""

    few_channels: int = 4
    """Most channels on the image's side of a 7x7 convolution: an image's, with transparency. Alone: 3 to 64 channels
    2.02x faster, 64 to 3 channels 2.46x. The step at 128 px 1.10x faster, at 64 px 0.99x."""

    few_channels_pixels: int = 2**19
    """Most input pixels of the 7x7 convolutions, counted over the batch. Limits memory, not time: the form's
    intermediates are about twice as large as an activation, which is 0.25 GiB at this limit and width 64."""

    taps_side: int = 4
    """Largest kernel side. The weight gradient alone: 3x3 with stride 2 2.26x faster, 4x4 with stride 2 2.57x, 3x3
    doubling 32x to 38x; 7x7 0.19x."""

    taps_channels: int = 256
    """With stride 1, the smaller number of channels must be below this: XLA computes the wide weight gradients at full
    rate. Alone: 3x3 with stride 1 and 256 channels 0.74x."""


@dataclass(frozen=True)
class Kernels:
    """The forms that operations may take. Hashable: modules keep it as a static attribute, part of their graph.

    Attributes:
        forms: the forms that may be used; every operation can also be computed plainly, as XLA does by itself.
        limits: from which shapes on they are used.
    """

    forms: frozenset[Form]
    limits: Limits = Limits()

    @classmethod
    def for_platform(cls, platform: str | None = None) -> "Kernels":
        """The forms that are fastest on a platform.

        This is the only place that asks JAX which platform it runs on. The networks call it when they are made, so a
        network keeps its forms whatever `jax.default_backend()` returns later.

        Args:
            platform: "cpu", "gpu" or "tpu", as `jax.default_backend()` reports it; None asks that.
        """
        return cls(_FORMS.get(platform or jax.default_backend(), _OTHER_FORMS))

    def without(self, *forms: Form) -> "Kernels":
        """The same with some forms switched off."""
        return replace(self, forms=self.forms - set(forms))

    def convolution(
        self,
        image: Sequence[Any],
        kernel: Sequence[int],
        dtype: jnp.dtype,
        *,
        stride: int,
        padding: Padding,
    ) -> Literal["winograd", "few_channels", "taps", "plain"]:
        """The form of a convolution.

        Args:
            image: shape of the input, (N, H, W, I): numbers, or symbols where `jax.export` traces for any size.
            kernel: shape of the weights, (k, k, I, O).
            dtype: of both.
            stride: step of the kernel, pixels.
            padding: zeros around the input.
        """
        number, height, width, _ = image
        side, _, inputs, outputs = kernel
        few, many = sorted((inputs, outputs))
        unpadded = stride == 1 and not any(zeros for pads in padding for zeros in pads)
        if self._may_reorder("winograd", dtype) and unpadded and side == 3:
            tiles = number * (height // 2) * (width // 2)
            is_large = few >= self.limits.winograd_channels and tiles >= self.limits.winograd_tiles
            if is_large and height % 2 == width % 2 == 0:
                return "winograd"
        if self._may_reorder("few_channels", dtype) and unpadded and side == 7:
            fits = number * height * width <= self.limits.few_channels_pixels
            if few <= self.limits.few_channels < many and fits:
                return "few_channels"
        by_taps = side <= self.limits.taps_side and (stride > 1 or few < self.limits.taps_channels)
        return "taps" if "taps" in self.forms and by_taps else "plain"

    def doubling_convolution(self, kernel: Sequence[int]) -> Literal["doubling", "taps", "plain"]:
        """The form of a convolution that doubles height and width, with weights of shape (k, k, I, O)."""
        if "doubling" in self.forms:
            return "doubling"
        return "taps" if "taps" in self.forms and kernel[0] <= self.limits.taps_side else "plain"

    def upsampled_convolution(self, dtype: jnp.dtype) -> Literal["shared_upsampling", "folded_upsampling", "plain"]:
        """The form of nearest upsampling followed by a 3x3 convolution; plain is the two one after the other."""
        if self._may_reorder("shared_upsampling", dtype):
            return "shared_upsampling"
        return "folded_upsampling" if "folded_upsampling" in self.forms else "plain"

    def instance_norm(self) -> Literal["few_pass_norm", "plain"]:
        """The form of instance norm."""
        return "few_pass_norm" if "few_pass_norm" in self.forms else "plain"

    def _may_reorder(self, form: Form, dtype: jnp.dtype) -> bool:
        """Whether a form that adds up in another order is allowed, and the type has digits enough for that."""
        return form in self.forms and dtype in (jnp.float32, jnp.float64)
