"""torch-fidelity as a reference, where torchvision does not fit the installed torch as well."""

import importlib
import sys
import types
from typing import Any


def import_torch_fidelity(module: str) -> Any:
    """A module of it; torchvision, which it imports for extractors that nobody needs here, is empty if it is broken."""
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
