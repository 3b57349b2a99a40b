"""The default work directory: the same for the same experiment, another for another."""

from pathlib import Path

import pytest

from cyclegan_jax.cli.train import parse


def name(*flags: str) -> str:
    workdir = parse(["--config=streets", *flags]).workdir
    assert workdir.parent == Path("runs")
    return workdir.name


@pytest.mark.parametrize("flag", ["--steps=9", "--log_every=7", "--precision=highest", "--data.threads=3", "--seed=0"])
def test_flags_that_leave_the_experiment_as_it_is(flag: str) -> None:
    assert name(flag) == "streets"


def test_flags_that_make_another_experiment() -> None:
    assert name("--seed=1") == "streets-seed=1"
    assert name("--optimizer.learning_rate=1e-4", "--seed=1") == "streets-optimizer.learning_rate=0.0001-seed=1"
    assert name("--data.dir=photos") == "streets-data.dir=photos"


def test_names_are_safe_and_short_and_differ() -> None:
    many = [f"--data.dir=../a {letter}/photos" for letter in "xy"]
    names = [name(flag) for flag in many] + [name(f"--init_from={'long' * 40}{letter}") for letter in "xy"]
    assert len(set(names)) == 4
    assert all(len(each) <= 100 and "/" not in each and " " not in each for each in names)
    assert name(many[0]) == names[0]
    assert parse(["--config=streets", "--seed=1", "--workdir=mine"]).workdir == Path("mine")
