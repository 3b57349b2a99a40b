"""Functions that a user names as `module:function`: own data, losses, generators, segmentation models and features."""

import functools
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

from cyclegan_jax.errors import UserError

_LONGEST_MESSAGE: Final = 300
"""Characters of an error's message that are shown."""


class UserFunctionError(UserError):
    """A user's function raised an error."""


def load_function(spec: str, flag: str) -> Callable[..., Any]:
    """Import the function that `spec` names; modules of the current folder are found too.

    Args:
        spec: `module:function`, such as `my_project.models:segment`.
        flag: the flag or config field with this value, for messages.

    Returns:
        The function; every error that it raises becomes a `UserFunctionError` with the place in the user's code.

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
    # A script without a main guard may call sys.exit.
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{flag} is {spec!r}, but the module {module_name} cannot be imported ({_one_line(error)}): correct it, or "
            "run the command in the folder that contains it"
        ) from error
    finally:
        sys.path.pop(0)
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(f"{flag} is {spec!r}, but {module_name} has no function {name}: name one that it has")
    return reporting(function, spec, module)


def check_allowed(spec: str | None, field: str, *, allow_code: bool) -> None:
    """Check that the code which a run's own config names may be imported: the run may be a stranger's.

    Args:
        spec: the value of a field that may be `module:function`.
        field: its name.
        allow_code: whether the user has allowed it.

    Raises:
        UserError: it names code, and the user has not.
    """
    if spec is not None and ":" in spec and not allow_code:
        raise UserError(
            f"{field} of the run is {spec}, which would be imported and run: add --allow_code if you trust the run"
        )


def reporting(function: Callable[..., Any], spec: str, module: object) -> Callable[..., Any]:
    """Return a function whose errors are a `UserFunctionError`; a `UserError` stays what it is.

    Args:
        function: the user's.
        spec: what the user named, for messages.
        module: the user's module, whose lines are shown rather than those of a library below; None where it is unknown.
    """

    @functools.wraps(function, assigned=("__doc__",), updated=())
    def reporting(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            frames = traceback.extract_tb(error.__traceback__)[1:]  # without this function's own
            # The user's own line says more than the library's line below it.
            own = [frame for frame in frames if frame.filename == getattr(module, "__file__", None)] or frames
            place = f" at {own[-1].filename}, line {own[-1].lineno}" if own else ""
            raise UserFunctionError(f"the function {spec} raised {_one_line(error)}{place}: correct it") from error

    return reporting


def _one_line(error: BaseException) -> str:
    """The type of an error and its message, without line breaks and cut to a readable length."""
    message = " ".join(str(error).split())
    cut = message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "..."
    return f"{type(error).__name__}: {cut}" if cut else type(error).__name__
