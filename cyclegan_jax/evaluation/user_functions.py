"""Imports functions that a user names as `module:function`: a segmentation model, or the features for FID and KID."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from cyclegan_jax.errors import UserError


def load_function(spec: str, flag: str) -> Callable[..., Any]:
    """Import the function that `spec` names; modules of the current folder are found too.

    Args:
        spec: `module:function`, such as `my_project.models:segment`.
        flag: the flag or config field with this value, for messages.

    Raises:
        UserError: `spec` has another form, there is no such module or function, or importing the module fails.
    """
    module_name, colon, name = spec.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in module_name.split("."))):
        raise UserError(f"{flag} is {spec!r}, but it must be module:function, such as my_project.models:function")
    # A console script, unlike `python -m`, does not search the current folder.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - sys.path holds text
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UserError(
            f"{flag} is {spec!r}, but the module {module_name} cannot be imported ({type(error).__name__}: {error}): "
            "correct it, or run the command in the folder that contains it"
        ) from error
    finally:
        sys.path.pop(0)
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(f"{flag} is {spec!r}, but {module_name} has no function {name}: name one that it has")
    return function
