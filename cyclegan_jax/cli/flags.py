"""Command lines parsed by tyro and argparse, with one sentence for each mistake instead of their boxes and usage."""

import argparse
import contextlib
import dataclasses
import difflib
import inspect
import io
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeVar

from cyclegan_jax.config_checks import shown
from cyclegan_jax.errors import UserError

_T = TypeVar("_T")
_NUMBERS: Final = {int: "an integer", float: "a number"}
_BOX: Final = str.maketrans(dict.fromkeys("╭─╮│╰╯", " "))


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are `UserError`s, without the usage and the end of the process."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a sentence.

        Raises:
            UserError: always.
        """
        raise UserError(f"{message.removeprefix('argument ')}: {self.prog} --help lists the flags")


def parse_config(default: _T, args: Sequence[str], *, prog: str, description: str) -> _T:
    """Return the config `default`, changed by the flags in `args`: one for each field.

    Raises:
        UserError: a flag is unknown, or has a value that it cannot have.
        SystemExit: `--help` was given.
    """
    import tyro

    # Booleans take a value, as in --data.flip=False, like all other fields.
    off = (tyro.conf.FlagConversionOff,)
    with _one_sentence(args, _fields(type(default), ""), switches=False, prog=prog):
        return tyro.cli(type(default), default=default, args=args, prog=prog, description=description, config=off)


def parse_call(function: Callable[..., Any], args: Sequence[str], *, prog: str) -> dict[str, Any]:
    """Return the keyword arguments for `function` that the flags in `args` give: one for each parameter.

    Raises:
        UserError: a flag is unknown or missing, or has a value that it cannot have.
        SystemExit: `--help` was given.
    """
    import functools

    import tyro

    @functools.wraps(function)
    def collect(**keywords: Any) -> dict[str, Any]:
        return keywords

    with _one_sentence(args, typing.get_type_hints(function), switches=True, prog=prog, required=_required(function)):
        return tyro.cli(collect, prog=prog, args=args)


def _required(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]


def _fields(kind: type[Any], prefix: str) -> dict[str, Any]:
    """The types of a config's fields by their dotted names."""
    found: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind).items():
        nested = dataclasses.is_dataclass(hint) and isinstance(hint, type)
        found |= _fields(hint, f"{prefix}{name}.") if nested else {prefix + name: hint}
    return found


@contextlib.contextmanager
def _one_sentence(
    args: Sequence[str], kinds: Mapping[str, Any], *, switches: bool, prog: str, required: Sequence[str] = ()
) -> Iterator[None]:
    """Turn tyro's end of the process into a `UserError`."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            yield
    except SystemExit as end:
        if not end.code:
            raise
        own = _own_error(end)
        sentence = own or _mistake(args, kinds, switches, required) or _joined(printed.getvalue())
        # tyro's own error is no cause that helps: it is the box that this sentence replaces.
        raise UserError(sentence if own else f"{sentence}: {prog} --help lists the flags") from None


def _own_error(end: BaseException) -> str | None:
    """The message of the `UserError` that tyro caught when it made a config, if that is why it ends."""
    error: BaseException | None = end
    while error is not None and not isinstance(error, UserError):
        error = error.__context__
    return None if error is None else str(error)


def _joined(text: str) -> str:
    """The text of a box in one line."""
    return " ".join(text.translate(_BOX).split()) or "the flags cannot be read"


def _mistake(args: Sequence[str], kinds: Mapping[str, Any], switches: bool, required: Sequence[str]) -> str | None:
    """Return the first mistake in a command line that tyro has refused, or None if there is none to be found."""
    known = {name.replace("-", "_"): hint for name, hint in kinds.items() if name != "return"}
    seen = set()
    rest = list(args)
    while rest:
        token = rest.pop(0)
        flag, has_value, value = token.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or not name:
            return f"{as_word(token)} is not a flag: give values as --flag=value, with quotes around spaces"
        if switches and name.removeprefix("no_") in known and known[name.removeprefix("no_")] is bool:
            if has_value:
                return f"{flag} is {shown(value)}, but it takes no value"
            continue
        if name not in known:
            return _unknown(flag, name, known)
        seen.add(name)
        at_least, several = _numbers(known[name])
        number = max(1, at_least)
        values = [value] if has_value else []
        while rest and (several or len(values) < number) and not rest[0].startswith("--"):
            values.append(rest.pop(0))
            if values == ["None"]:
                break
        problem = _problem(known[name], values, number)
        if problem is not None:
            return f"{flag} {problem}"
    missing = [f"--{name}" for name in required if name not in seen]
    return f"{' and '.join(missing)} missing" if missing else None


def _unknown(flag: str, name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.7)
    # Somebody who leaves the part out, as in --width, means one of these.
    near = [other for other in known if other.endswith(f".{name}")] or near
    advice = f", but there is {' and '.join(f'--{other}' for other in near)}" if near else ""
    return f"there is no flag {as_word(flag)}{advice}"


def _problem(hint: Any, values: list[str], number: int) -> str | None:
    """What is wrong with a flag's values, to complete "--flag ...", or None."""
    if values == ["None"] and type(None) in typing.get_args(hint):
        return None
    if len(values) < number:
        return "has no value" if number == 1 else f"has {len(values)} of its {number} values"
    wrong = [value for value in values if not _fits(hint, value)]
    return f"is {shown(wrong[0])}, but it must be {_need(hint)}" if wrong else None


def _fits(hint: Any, value: str) -> bool:
    arms = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return value in map(str, arms)
    if hint is bool:
        return value in ("True", "False")
    if hint in _NUMBERS:
        try:
            hint(value)
        except ValueError:
            return False
        return True
    if arms:  # a tuple, or a union with None
        return any(_fits(arm, value) for arm in arms if arm not in (type(None), Ellipsis)) or (
            value == "None" and type(None) in arms
        )
    return True


def _need(hint: Any) -> str:
    arms = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, arms))
    if number := _numbers(hint)[0]:
        return f"{number} numbers, or None"
    if arms:
        return " or ".join("None" if arm is type(None) else _need(arm) for arm in arms)
    return "True or False" if hint is bool else _NUMBERS.get(hint, "a text")


def _numbers(hint: Any) -> tuple[int, bool]:
    """How many numbers a flag takes at least: 0 where it takes one value of another kind; and whether it takes more."""
    arms = [arm for arm in (hint, *typing.get_args(hint)) if typing.get_origin(arm) is tuple]
    return len(typing.get_args(arms[0])) if arms else 0, len(arms) > 1


def as_word(token: str) -> str:
    """A part of the command line as it is, or as its repr where it would not print as one word."""
    return token if token.isprintable() and token and " " not in token and len(token) < 80 else shown(token)
