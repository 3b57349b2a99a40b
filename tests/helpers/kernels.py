"""Choices of forms for tests, built instead of patched."""

from typing import Final

from cyclegan_jax.kernels.choice import Kernels, Limits

PLAIN: Final = Kernels(frozenset())
"""Every operation as XLA computes it by itself."""
ON_CPU: Final = Kernels.for_platform("cpu")
ON_GPU: Final = Kernels.for_platform("gpu")
"""The forms for GPU, compiled for the device at hand."""
AS_WIDE: Final = Kernels(ON_CPU.forms, Limits(winograd_channels=1, winograd_tiles=1, few_channels=3))
"""The forms for CPU, with limits so low that the tests' narrow networks take the forms that wide ones do."""
