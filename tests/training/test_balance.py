"""Warnings: when they come, that they come once, and that a good run has none."""

from cyclegan_jax.training.balance import STEPS, Watch
from tests.conftest import tiny_config

GOOD = {
    "discriminator_A": 0.2,
    "discriminator_B": 0.15,
    "cycle_A": 0.1,
    "cycle_B": 0.01,
    "change_AtoB": 0.4,
    "change_BtoA": 0.3,
}


def lines(*stretches: tuple[int, dict[str, float]]) -> list[str]:
    watch, said, step = Watch(tiny_config()), [], 0
    for number, metrics in stretches:
        for _ in range(number):
            step += 1
            said += watch.look(step, GOOD | metrics)
    return said


def test_a_good_run_has_no_warnings():
    assert lines((3 * STEPS, {})) == []


def test_a_discriminator_that_has_won_is_named_once():
    (line,) = lines((4 * STEPS, {"discriminator_B": 0.001}))
    assert line.startswith(
        f"warning: at step {STEPS} discriminator B has won: its loss was 0.001 over the last 500 steps"
    )
    assert "AtoB learns little" in line


def test_a_short_win_is_none():
    assert lines((STEPS, {}), (STEPS, {"discriminator_A": 0.0}), (STEPS, {})) == []


def test_a_second_stretch_is_told_again():
    won = {"discriminator_A": 0.001}
    assert len(lines((2 * STEPS, won), (4 * STEPS, {}), (6 * STEPS, won))) == 2


def test_around_the_threshold_it_is_told_once():
    assert len(lines((2 * STEPS, {"discriminator_A": 0.009}), *[(STEPS, {"discriminator_A": 0.012})] * 3)) == 1


def test_a_generator_that_copies_is_named():
    (line,) = lines((2 * STEPS, {"change_AtoB": 0.005, "cycle_A": 0.006}))
    assert "AtoB only copies its input" in line
    assert "differed from it by 0.005 of 2" in line


def test_little_change_with_a_bad_cycle_is_no_copy():
    assert lines((2 * STEPS, {"change_AtoB": 0.005, "cycle_A": 0.2})) == []


def test_domains_of_different_channels_have_no_change():
    watch = Watch(tiny_config())
    metrics = {name: value for name, value in GOOD.items() if not name.startswith("change_")}
    assert [line for step in range(2 * STEPS) for line in watch.look(step, metrics)] == []
