"""CycleGAN in JAX: unpaired image-to-image translation."""

from importlib import import_module
from typing import Any

_HOMES = {
    "load_generator": "inference.generator",
    "load_discriminator": "inference.discriminator",
    "show_log": "console",
}

__all__ = ["load_discriminator", "load_generator", "show_log"]


def __getattr__(name: str) -> Any:
    # JAX reads its flags when it is first used, so that importing the package must not bring it in.
    if name in _HOMES:
        return getattr(import_module(f"cyclegan_jax.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
