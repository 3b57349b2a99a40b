"""Epochs as steps: which step ends one, in which one a step is, and the words for both."""

from fractions import Fraction

import pytest

from cyclegan_jax.config_checks import Limits
from cyclegan_jax.epochs import EpochLength, check_steps, end_of_epoch, in_epochs, named
from cyclegan_jax.errors import UserError

EVERY = Limits(1, 10**12)


@pytest.mark.parametrize(
    ("images", "pairs", "ends"),
    [
        (1334, 1, [1334, 2668, 4002]),
        (3, 2, [2, 3, 5]),  # 1.5 steps
        (10, 4, [3, 5, 8]),
        (3, 4, [1, 2, 3]),  # a step is more than an epoch
    ],
)
def test_the_step_that_ends_an_epoch(images: int, pairs: int, ends: list[int]) -> None:
    """The first step after which the pass is complete."""
    length = EpochLength(images, pairs)
    assert [length.end(epoch) for epoch in (1, 2, 3)] == ends
    for epoch, step in enumerate(ends, start=1):
        assert (step - 1) * pairs < epoch * images <= step * pairs
        assert length.current(step) == epoch
        assert length.done(step) == str(step * pairs // images)
        assert pairs > images or length.done(step) == str(epoch)
    assert length.current(0) == 0


def test_epochs_between_are_shown_with_a_tenth_that_is_done() -> None:
    length = EpochLength(1334, 1)
    steps = {0: "0", 1: "0.0", 1333: "0.9", 1334: "1", 1335: "1.0", 2000: "1.4", 1334_000: "1,000"}
    assert {step: length.done(step) for step in steps} == steps
    assert named(26_680, length) == "step 26,680 (epoch 20)"
    assert named(27_000, length) == "step 27,000 (epoch 20.2)"
    assert named(27_000, None) == "step 27,000"


def test_texts_of_epochs() -> None:
    assert in_epochs("5epochs") == 5
    assert in_epochs("1epoch") == 1
    assert in_epochs("0.1epochs") == Fraction(1, 10)
    assert in_epochs(5) is None
    assert end_of_epoch("epoch:120") == 120
    assert end_of_epoch("epoch:-1") is None
    assert end_of_epoch("best") is None


@pytest.mark.parametrize("value", ["5 epochs", "epochs", "5", "-1epochs", "1e3epochs", "\u0665epochs", True, 2.5, None])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(UserError) as error:
        check_steps("log_every", value, EVERY)
    need = "a number of steps, such as 5000, or of epochs, such as 5epochs"
    assert str(error.value) == f"log_every is {value!r}, but it must be {need}"


def test_both_kinds_have_limits() -> None:
    for value, need in (
        (0, "at least 1"),
        ("0epochs", "above 0 epochs"),
        ("9999999999epochs", "at most 1,000,000,000 epochs"),
    ):
        with pytest.raises(UserError, match=f"^log_every is {value!r}, but it must be {need}$"):
            check_steps("log_every", value, EVERY)
    check_steps("log_every", "0.000001epochs", EVERY)
