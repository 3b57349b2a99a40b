"""Checks of a config dataclass's fields: each refusal names the field, its value and what it must be."""

import dataclasses
import typing
from typing import Any, Literal

from cyclegan_jax.errors import UserError


def require(condition: bool, name: str, value: object, need: str) -> None:
    """Refuse `value` of the field `name` unless `condition`; `need` says what it must be."""
    if not condition:
        raise UserError(f"{name} is {value!r}, but it must be {need}")


def check_types(config: Any, prefix: str) -> None:
    """Refuse a value outside a field's declared choices or of another type: nothing else checks a config file."""
    hints = typing.get_type_hints(type(config))
    for item in dataclasses.fields(config):
        name = f"{prefix}.{item.name}" if prefix else item.name
        value, hint = getattr(config, item.name), hints[item.name]
        allowed, need = _allowed(value, hint)
        require(allowed, name, value, need)


_TYPE_NAMES: dict[Any, str] = {int: "a whole number", float: "a number", str: "a text", bool: "True or False"}


def _allowed(value: object, hint: Any) -> tuple[bool, str]:
    """Whether `value` fits the type `hint`, and what would."""
    if typing.get_origin(hint) is Literal:
        # True == 1 in Python, so that a mere `in` would take a bool for a number.
        choices = typing.get_args(hint)
        fits = any(value == choice and type(value) is type(choice) for choice in choices)
        return fits, "one of " + ", ".join(str(choice) for choice in choices)
    arms = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        parts = value if isinstance(value, tuple) else ()
        fits = len(parts) == len(arms) and all(_allowed(part, arms[i])[0] for i, part in enumerate(parts))
        return fits, f"{len(arms)} values, each " + _TYPE_NAMES[arms[0]]
    if arms:  # an optional field
        results = [_allowed(value, arm) for arm in arms if arm is not type(None)]
        return value is None or any(fits for fits, _ in results), " or ".join([need for _, need in results] + ["None"])
    if hint in (int, float) and isinstance(value, bool):
        return False, _TYPE_NAMES[hint]
    accepted = (int, float) if hint is float else hint
    return isinstance(value, accepted), _TYPE_NAMES.get(hint, f"a {hint.__name__}")
