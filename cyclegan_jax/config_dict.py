"""A config as a dictionary for JSON, back from it, and compared with another, field by field."""

import dataclasses
import typing
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError

_Config = TypeVar("_Config")
_LONGEST_VALUE: Final = 200
"""Characters of a value in a text for people."""


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """Return the config as nested dictionaries that JSON can hold."""
    return dataclasses.asdict(config)


def from_dict(values: dict[str, Any]) -> TrainConfig:
    """Return the config that `to_dict` turned into `values`, checked again.

    A field that is missing, because the version that wrote the dictionary did not have it, gets its default: a new
    field's default must therefore mean what the code did before the field existed.

    Raises:
        UserError: a field is unknown or its value is not allowed.
    """
    return _build(TrainConfig, values, "")


def fields(config: TrainConfig) -> dict[str, Any]:
    """Return every field's value by its dotted name, such as `data.image_size`."""

    def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, value in values.items():
            result |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        return result

    return flat(to_dict(config))


def changes(before: TrainConfig, after: TrainConfig) -> dict[str, tuple[Any, Any]]:
    """Return the fields in which two configs differ, by dotted name: the value before and the value after."""
    old, new = fields(before), fields(after)
    return {name: (old[name], new[name]) for name in new if old[name] != new[name]}


def shown(changed: Mapping[str, tuple[Any, Any]], names: Collection[str]) -> list[str]:
    """Return the changed fields of these names as text, each as `name old -> new`, long values cut."""
    return [f"{name} {cut(old)} -> {cut(new)}" for name, (old, new) in changed.items() if name in names]


def cut(value: Any) -> str:
    """A value as text for people, cut where it is long, such as a palette."""
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def check_storable(config: TrainConfig) -> None:
    """Raise if a checkpoint could not give back this very config.

    Raises:
        UserError: it, or a part of it, is of a class derived from ours, which checkpoints do not hold.
    """
    parts: dict[str, tuple[Any, Any]] = {"the config": (config, TrainConfig)}
    for name, hint in typing.get_type_hints(TrainConfig).items():
        if dataclasses.is_dataclass(hint):
            parts[f"the config's {name}"] = (getattr(config, name), hint)
    for name, (part, kind) in parts.items():
        if type(part) is not kind:
            raise UserError(
                f"{name} is a {type(part).__name__}, which a checkpoint cannot store: make it a {kind.__name__}, by "
                f"dataclasses.replace or its constructor, and keep values of your own in variables of the config file"
            )


def _with_tuples(value: Any) -> Any:
    """The value with tuples for lists, since JSON has no tuples."""
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _build(kind: type[_Config], values: dict[str, Any], prefix: str) -> _Config:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise UserError(
            f"the config has an unknown field {prefix}{unknown[0]!s}: another version of cyclegan-jax wrote it, or its "
            "name is misspelled"
        )

    def built(name: str, value: Any) -> Any:
        if dataclasses.is_dataclass(hints[name]):
            return _build(hints[name], value, f"{prefix}{name}.")
        return _with_tuples(value)

    return kind(**{name: built(name, value) for name, value in values.items()})
