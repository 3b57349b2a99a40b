"""When a save is asked for, by a clock that the test moves."""

import signal

from cyclegan_jax.training.save_clock import Agreement, SampleClock, SaveClock


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


def test_samples_are_asked_for_at_growing_intervals() -> None:
    seconds = [0.0]
    clock = SampleClock(0.5, now=lambda: seconds[0])
    drawn = []
    while seconds[0] < 600:
        seconds[0] += 1
        if clock.asks() or seconds[0] == 300:  # samples that are due at their step count too
            drawn.append(seconds[0])
            clock.sampled()
    assert drawn == [30, 90, 210, 300, 540]
    assert not SampleClock(0, now=lambda: 1e9).asks()


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
