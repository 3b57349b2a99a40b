"""What the bits of a training step depend on besides its inputs: versions, devices and flags. Checkpoints record it."""

import os
from importlib import metadata
from typing import Any

from cyclegan_jax.devices import backend


def environment() -> dict[str, str | int]:
    """Describe this process's JAX, its devices and processor, as JSON values by name."""
    import jax

    return {
        "jax": jax.__version__,
        "jaxlib": metadata.version("jaxlib"),
        "platform": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "processor": backend.processor(),
        # XLA divides some operations over its threads, by default one per core.
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """List where two environments differ, each as `name old -> new`; what `before` does not record is left out."""
    return [
        f"{name} {before[name] or 'none'} -> {value or 'none'}"
        for name, value in after.items()
        if name in before and before[name] != value
    ]
