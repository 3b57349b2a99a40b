"""JAX's switch for 64-bit types, set for one experiment."""

from contextlib import AbstractContextManager

import jax

from cyclegan_jax.config import TrainConfig


def allowed(config: TrainConfig) -> AbstractContextManager[None]:
    """Allow float64 arrays inside a `with` block where the config asks for them, or where the caller already does.

    JAX otherwise turns every 64-bit array into a 32-bit one without an error.
    """
    return jax.enable_x64(config.dtype == "float64" or jax.config.read("jax_enable_x64"))
