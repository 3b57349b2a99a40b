"""Every number in a config has limits, and none beyond them is accepted, in a file or as a flag."""

import dataclasses
import math
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cyclegan_jax import config_dict
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.config_limits import LIMITS
from cyclegan_jax.errors import UserError
from tests.faults.command_lines import Case
from tests.faults.test_command_lines import outcomes

ROOT = Path(__file__).parents[1]
SECONDS = 10.0
MEGABYTES = 1500
"""More than JAX takes by itself, far less than what the absurd values ask for."""


def numbers(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted name and the type of every number of a config, of a tuple the type of its values."""
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            assert isinstance(hint, type)
            yield from numbers(hint, f"{prefix}{name}.")
            continue
        kinds = {part for arm in (hint, *typing.get_args(hint)) for part in (arm, *typing.get_args(arm))}
        if kinds & {int, float}:
            yield prefix + name, hint


NUMBERS = dict(numbers(TrainConfig))


def test_every_number_has_limits() -> None:
    assert set(LIMITS) == set(NUMBERS)
    assert len(NUMBERS) > 25
    assert all(-1e21 < limits.lowest < limits.highest < 1e21 for limits in LIMITS.values())


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e22, 10**22, -(10**22), 10**5000], ids=lambda v: "v")
@pytest.mark.parametrize("name", NUMBERS)
def test_an_absurd_number_is_refused(name: str, value: float) -> None:
    given: Any = (0.0, value) if "tuple" in str(NUMBERS[name]) else value
    for part in reversed(name.split(".")):
        given = {part: given}
    with pytest.raises(UserError, match=f"^{re.escape(name)} is .*, but it must be ") as error:
        config_dict.from_dict(given)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("name", NUMBERS)
def test_the_limits_themselves_are_documented(name: str) -> None:
    limits = LIMITS[name]
    (row,) = re.findall(
        rf"^\| `--{re.escape(name)}` \| (.*) \| (.*) \|$", (ROOT / "docs" / "flags.md").read_text(), re.M
    )
    words = {"lowest": f"above {limits.lowest:g}", "highest": f"below {limits.highest:g}"}
    expected = [f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (limits.lowest, limits.highest)]
    if limits.without is not None:
        expected[limits.without == "highest"] = words[limits.without]
    assert list(row) == expected


def test_absurd_flags_end_in_one_sentence(tmp_path: Path) -> None:
    cases = []
    for name, hint in NUMBERS.items():
        for value in ("1e22", "99999999999999999999" if "float" not in str(hint) else "inf"):
            values = ["0", value] if "tuple" in str(hint) else [value]
            cases.append(Case(["train", "--config", "streets", f"--{name}", *values], [name]))
    cases.append(Case(["train", "--config", "streets", "--optimizer.learning_rate=nan"], ["optimizer.learning_rate"]))
    check(cases, tmp_path)


def test_too_much_is_refused_before_it_is_allocated(tmp_path: Path) -> None:
    """Values within the limits that no machine has the memory for; the data are not even opened."""
    worst = {
        "generator.width": ["--generator.width=4096", "--generator.blocks=100"],
        "pool_size": ["--pool_size=1000000", "--data.image_size=1024"],
        "batch_size": ["--batch_size=100000", "--data.image_size=1024"],
        "data.image_size": ["--data.image_size=16384", "--pool_size=10000"],
        "data.threads": ["--data.threads=1024", "--batch_size=10000", "--data.image_size=1024", "--generator.width=1"],
    }
    cases = [
        Case(["train", "--config", "folders", "--data.dir=nowhere", *flags], [name]) for name, flags in worst.items()
    ]
    for said in check(cases, tmp_path):
        assert re.fullmatch(r"error: the training needs at least \S+ GiB of memory, but this machine has .*\n", said)


def check(cases: list[Case], folder: Path) -> list[str]:
    """Run command lines, check that each ends at once in a sentence with the flag, and return the sentences."""
    found = outcomes(cases, folder)
    for case, end in zip(cases, found, strict=True):
        said = str(end["said"])
        assert end["status"] == 2 and said.count("\n") == 1 and case.named[0] in said, (case, end)
        assert float(str(end["seconds"])) < SECONDS and float(str(end["megabytes"])) < MEGABYTES, (case, end)
    assert list(folder.iterdir()) == []
    return [str(end["said"]) for end in found]
