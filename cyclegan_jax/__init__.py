"""CycleGAN in JAX: unpaired image-to-image translation."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # For type checkers and editors; at run time `__getattr__` imports these names when they are first used.
    from cyclegan_jax.checkpoints.metrics_file import read_metrics
    from cyclegan_jax.checkpoints.opened import open_checkpoint
    from cyclegan_jax.console import show_log
    from cyclegan_jax.inference.discriminator import load_discriminator
    from cyclegan_jax.inference.generator import from_pretrained, load_generator
    from cyclegan_jax.training.callbacks import Callback
    from cyclegan_jax.training.loop import train

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "from_pretrained",
    "load_discriminator",
    "load_generator",
    "open_checkpoint",
    "read_metrics",
    "show_log",
    "train",
]

_MODULES = {
    "Callback": "training.callbacks",
    "from_pretrained": "inference.generator",
    "load_discriminator": "inference.discriminator",
    "load_generator": "inference.generator",
    "open_checkpoint": "checkpoints.opened",
    "read_metrics": "checkpoints.metrics_file",
    "show_log": "console",
    "train": "training.loop",
}


def __getattr__(name: str) -> Any:
    # JAX reads its flags when it is imported, so a command must be able to set them after importing this package.
    if name in _MODULES:
        return getattr(import_module(f"cyclegan_jax.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
