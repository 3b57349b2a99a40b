"""When a save is asked for, by a clock that the test moves."""

import signal

from cyclegan_jax.training.save_clock import Agreement, SaveClock


def test_a_save_is_asked_for_once_after_the_minutes() -> None:
    seconds = [1000.0]
    clock = SaveClock(2, now=lambda: seconds[0])
    seconds[0] += 119.9
    assert not clock.asks()
    seconds[0] += 0.2
    assert clock.asks()
    # The answer of several processes comes a step later: until then nothing more is asked for.
    assert not clock.asks()
    clock.saved()
    assert not clock.asks()
    seconds[0] += 100
    # Every checkpoint restarts the clock, whatever it was saved for.
    clock.saved()
    seconds[0] += 100
    assert not clock.asks()
    seconds[0] += 20
    assert clock.asks()


def test_zero_minutes_never_ask() -> None:
    seconds = [0.0]
    clock = SaveClock(0, now=lambda: seconds[0])
    seconds[0] = 1e9
    assert not clock.asks()


def test_a_signal_outweighs_the_wish_to_save() -> None:
    agreement = Agreement()
    assert agreement.update(0, False) == (0, False)
    assert agreement.update(0, True) == (0, True)
    assert agreement.update(signal.SIGTERM, True) == (signal.SIGTERM, False)
    assert agreement.update(signal.SIGINT, False) == (signal.SIGINT, False)
