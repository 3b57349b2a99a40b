"""The additions' benchmark: which config each of them measures, and the interval that it prints."""

import numpy as np
import pytest

from benchmarks.additions import ADDITIONS, changed, interval
from cyclegan_jax import recipes


def test_each_addition_is_a_config_of_its_own() -> None:
    plain = recipes.paper()
    configs = {name: changed(plain, addition.changes) for name, addition in ADDITIONS.items()}
    assert configs.pop("nothing") == plain
    assert len(set(configs.values())) == len(configs)
    assert plain not in configs.values()
    assert changed(plain, {"batch_size": 2}).batch_size == 2


@pytest.mark.parametrize("number", [9, 30])
def test_the_interval_holds_the_median_as_often_as_it_says(number: int) -> None:
    rng = np.random.default_rng(0)
    ends = [interval(rng.exponential(size=number).tolist()) for _ in range(4000)]
    held = np.mean([low <= np.log(2) <= high for low, _, high in ends])
    assert 0.95 - 4 * (0.05 * 0.95 / 4000) ** 0.5 < held < 0.985
    assert all(low <= median <= high for low, median, high in ends)


def test_few_values_have_their_whole_range() -> None:
    assert interval([3.0, 1.0, 2.0]) == (1.0, 2.0, 3.0)
