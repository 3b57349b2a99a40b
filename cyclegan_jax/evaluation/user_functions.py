"""Functions that a user names as `module:function`: a segmentation model, or the features of a distance."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from cyclegan_jax.errors import UserError


def load_function(spec: str, flag: str) -> Callable[..., Any]:
    """Import the function that `spec` names; the current folder is looked in as well.

    Args:
        spec: `module:function`, such as `my_project.models:segment`.
        flag: the flag or field that held it, for messages.

    Raises:
        UserError: it is not of that form, or there is no such module or function, or the module does not run.
    """
    module_name, colon, name = spec.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in module_name.split("."))):
        raise UserError(f"{flag} is {spec!r}, but it must be module:function, such as my_project.models:function")
    # A console script, unlike `python -m`, does not look in the folder it is called from.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - sys.path holds text
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UserError(
            f"{flag} is {spec!r}, but the module {module_name} cannot be imported ({type(error).__name__}: {error}): "
            "correct it, or call from the folder that holds it"
        ) from error
    finally:
        sys.path.pop(0)
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(f"{flag} is {spec!r}, but {module_name} has no function {name}: name one that it has")
    return function
