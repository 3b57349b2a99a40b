"""CycleGAN in JAX: unpaired image-to-image translation."""

from typing import Any

__all__ = ["load_generator"]


def __getattr__(name: str) -> Any:
    # JAX reads its flags when it is first used, so that importing the package must not bring it in.
    if name == "load_generator":
        from cyclegan_jax.inference import load_generator

        return load_generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
