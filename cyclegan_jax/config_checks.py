"""Checks of a config dataclass's fields, whose errors report the field, its value and the allowed values."""

import dataclasses
import re
import typing
from collections.abc import Mapping
from typing import Any, Final, Literal

from cyclegan_jax.errors import UserError

_LONGEST_VALUE: Final = 80
"""Characters of a wrong value that an error shows."""
_PROJECT: Final = r"([^\s/\\#?%:]+/)?[^/\\#?%:\x00-\x1f]{1,128}"
"""What W&B allows as the name of a project, and before it that of a team."""
_TYPE_NAMES: dict[Any, str] = {int: "an integer", float: "a number", str: "a string", bool: "True or False"}


@dataclasses.dataclass(frozen=True)
class Limits:
    """The allowed values of a number.

    Attributes:
        lowest: the lowest allowed value.
        highest: the highest allowed value.
        without: which of the two is itself not allowed.
    """

    lowest: float
    highest: float
    without: Literal["lowest", "highest"] | None = None

    def hold(self, value: float) -> bool:
        """Whether `value` is allowed; NaN never is."""
        if value in (self.lowest, self.highest):
            return value != (self.lowest if self.without == "lowest" else self.highest) or self.without is None
        return self.lowest < value < self.highest

    def need(self, value: float) -> str:
        """What `value` must be, to complete "it must be ...": the limit that it breaks."""
        if self.without == "highest":
            return f"at least {self.lowest:g} and below {self.highest:g}"
        low = f"above {self.lowest:g}" if self.without == "lowest" else f"at least {_digits(self.lowest)}"
        high = f"at most {_digits(self.highest)}"
        if value > self.highest:
            return high
        return low if value <= self.lowest else f"a number {low} and {high}"


def _digits(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def check_limits(config: Any, prefix: str, limits: Mapping[str, Limits]) -> None:
    """Check that each number of a config dataclass is within its limits; None, text and other types have none.

    Args:
        config: an instance of a config dataclass, whose fields have the right types.
        prefix: as for `check_types`.
        limits: the limits by the field's full name; each int and float field has some.

    Raises:
        UserError: a number is not within them.
    """
    for item in dataclasses.fields(config):
        name = f"{prefix}.{item.name}" if prefix else item.name
        value = getattr(config, item.name)
        for number in _flat(value):
            if name in limits and isinstance(number, int | float):
                require(limits[name].hold(number), name, value, limits[name].need(number))


def _flat(value: Any) -> list[Any]:
    """The values in a tuple, and in the tuples in it."""
    return [each for part in value for each in _flat(part)] if isinstance(value, tuple) else [value]


def require(condition: bool, name: str, value: object, need: str) -> None:
    """Raise an error about the field `name` unless `condition` holds.

    Args:
        condition: whether the value is allowed.
        name: the field's name as the user writes it, such as `data.image_size`.
        value: the field's value.
        need: the allowed values, to complete "it must be ...".

    Raises:
        UserError: `condition` is false.
    """
    if not condition:
        raise UserError(f"{name} is {shown(value)}, but it must be {need}")


def check_wandb_project(value: str | None) -> None:
    """Check the name of a project of Weights & Biases, with or without its team.

    Raises:
        UserError: it is none, or the word of somebody who takes the field for a switch.
    """
    need = "the name of a project, such as cyclegan or team/cyclegan, of at most 128 characters without \\ # ? % :"
    fits = value is None or (re.fullmatch(_PROJECT, value) is not None and value not in ("True", "False"))
    require(fits, "wandb", value, need)


def shown(value: object) -> str:
    """A value as an error shows it: its repr, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "an integer of thousands of digits"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def check_types(config: Any, prefix: str) -> None:
    """Check that each field of a config dataclass has a value of its declared type, or one of its declared choices.

    Python does not check them, and neither does a config file.

    Args:
        config: an instance of a config dataclass.
        prefix: the instance's place in the experiment, such as `data`, or "" for the experiment itself.

    Raises:
        UserError: a field has another value.
    """
    hints = typing.get_type_hints(type(config))
    for item in dataclasses.fields(config):
        name = f"{prefix}.{item.name}" if prefix else item.name
        value, hint = getattr(config, item.name), hints[item.name]
        allowed, need = _allowed(value, hint)
        require(allowed, name, value, need)


def _allowed(value: object, hint: Any) -> tuple[bool, str]:
    """Return whether `value` is of the type `hint`, and a description of that type."""
    if typing.get_origin(hint) is Literal:
        # 1 == True in Python, so `value in choices` would accept True for 1.
        choices = typing.get_args(hint)
        fits = any(value == choice and type(value) is type(choice) for choice in choices)
        return fits, "one of " + ", ".join(str(choice) for choice in choices)
    arms = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and arms[-1] is Ellipsis:
        fits = isinstance(value, tuple) and value != () and all(_allowed(part, arms[0])[0] for part in value)
        return fits, "several of these"  # it comes after what it is several of
    if typing.get_origin(hint) is tuple:
        parts = value if isinstance(value, tuple) else ()
        fits = len(parts) == len(arms) and all(_allowed(part, arms[i])[0] for i, part in enumerate(parts))
        return fits, f"{len(arms)} values, each " + _TYPE_NAMES[arms[0]]
    if arms:  # a union with None
        results = [_allowed(value, arm) for arm in arms if arm is not type(None)]
        return value is None or any(fits for fits, _ in results), " or ".join([need for _, need in results] + ["None"])
    # bool is a subclass of int.
    if hint in (int, float) and isinstance(value, bool):
        return False, _TYPE_NAMES[hint]
    accepted = (int, float) if hint is float else hint
    return isinstance(value, accepted), _TYPE_NAMES.get(hint, f"a {hint.__name__}")
