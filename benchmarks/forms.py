"""Our networks with some of our forms switched off, for a comparison: `--without` of the benchmarks."""

from collections.abc import Mapping, Sequence
from typing import Final

from cyclegan_jax.kernels.choice import Form, Kernels

FORMS: Final[Mapping[str, tuple[Form, ...]]] = {
    "winograd": ("winograd",),
    "few_channels": ("few_channels",),
    "taps": ("taps",),
    "doubling": ("doubling", "folded_upsampling"),
    "norm": ("few_pass_norm",),
    "upsampling": ("shared_upsampling", "folded_upsampling"),
}
"""The forms that each word switches off. `doubling` and `norm` are for GPU, `upsampling` is for CPU and GPU, the others
are for CPU."""


def without(words: Sequence[str], platform: str | None = None) -> Kernels:
    """The forms of a platform, by default of the one at hand, less some of `FORMS`; `all` leaves the plain ones."""
    kernels = Kernels.for_platform(platform)
    for word, forms in FORMS.items():
        if word in words or "all" in words:
            kernels = kernels.without(*forms)
    return kernels
