"""Imports torch-fidelity as a reference, even if the installed torchvision does not match torch."""

import importlib
import sys
import types
from typing import Any


def import_torch_fidelity(module: str) -> Any:
    """Import a module of it. A broken torchvision, which only extractors unused here need, is replaced by a stub."""
    try:
        import torchvision  # noqa: F401
    except Exception:
        for name in [name for name in sys.modules if name.split(".")[0] in ("torchvision", "torch_fidelity")]:
            del sys.modules[name]
        names = ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional")
        empty = {name: types.ModuleType(name) for name in names}
        for data_set in ("CIFAR10", "CIFAR100", "STL10"):
            setattr(empty["torchvision.datasets"], data_set, object)
        setattr(empty["torchvision.transforms"], "functional", empty["torchvision.transforms.functional"])  # noqa: B010
        setattr(empty["torchvision"], "transforms", empty["torchvision.transforms"])  # noqa: B010
        sys.modules.update(empty)
    return importlib.import_module(f"torch_fidelity.{module}")
