"""FID and KID of fixed features: against torch-fidelity, against known values, and their bias."""

import numpy as np
import pytest
import torch

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.fid_kid import frechet_distance, kernel_distance
from tests.evaluation.torch_fidelity_library import import_torch_fidelity


def normal(seed: int, number: int, features: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return shift + scale * np.random.default_rng(seed).standard_normal((number, features))


@pytest.mark.parametrize("numbers", [(60, 45), (7, 60), (5, 4)])
def test_frechet_equals_torch_fidelity(numbers):
    """With more images than the 20 features, with fewer on one side, and on both."""
    metric_fid = import_torch_fidelity("metric_fid")
    mix = np.random.default_rng(9).standard_normal((20, 20))
    first, second = normal(0, numbers[0], 20) @ mix, normal(1, numbers[1], 20, 0.3, 1.5)
    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(part)) for part in (first, second)]
    expected = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)[metric_fid.KEY_METRIC_FID]
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-6)


def test_frechet_of_known_distributions():
    """Features with exactly the mean and covariance asked for: then |dm|^2 + sum (s1 - s2)^2."""

    def exactly(seed, mean, deviations):
        x = normal(seed, 50, 3)
        x = np.linalg.qr(x - x.mean(axis=0))[0] * np.sqrt(49)
        return x * deviations + mean

    first, second = exactly(0, [1, 2, 3], [1, 2, 3]), exactly(1, [1, 2, 5], [2, 2, 0.5])
    assert frechet_distance(first, second) == pytest.approx(4 + 1 + 0 + 2.5**2)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_frechet_is_biased_by_the_number_of_images():
    """For equal distributions FID falls as the sets grow; KID does not."""
    frechet = [np.mean([frechet_distance(normal(s, n, 8), normal(s + 50, n, 8)) for s in range(20)]) for n in (10, 100)]
    kernel = [np.mean([kernel_distance(normal(s, n, 8), normal(s + 50, n, 8)) for s in range(20)]) for n in (10, 100)]
    assert frechet[0] > 5 * frechet[1] > 0
    assert abs(kernel[0]) < 0.1
    assert abs(kernel[1]) < 0.01
    assert kernel_distance(normal(0, 50, 8), normal(1, 50, 8, shift=1)) > 1


def test_kernel_equals_torch_fidelity():
    """With one subset of all images, torch-fidelity computes the same sums."""
    metric_kid = import_torch_fidelity("metric_kid")
    first, second = normal(2, 40, 6), normal(3, 40, 6, 0.5)
    found = metric_kid.kid_features_to_metric(
        torch.from_numpy(first), torch.from_numpy(second), kid_subsets=1, kid_subset_size=40, verbose=False
    )
    assert kernel_distance(first, second) == pytest.approx(found[metric_kid.KEY_METRIC_KID_MEAN], rel=1e-9)


def test_kernel_equals_counting_pairs(monkeypatch):
    monkeypatch.setattr("cyclegan_jax.evaluation.fid_kid._ROWS", 2)
    first, second = normal(4, 5, 3), normal(5, 7, 3)

    def kernel(x, y):
        return (np.dot(x, y) / 3 + 1) ** 3

    within = [
        np.mean([kernel(part[i], part[j]) for i in range(len(part)) for j in range(len(part)) if i != j])
        for part in (first, second)
    ]
    between = np.mean([kernel(x, y) for x in first for y in second])
    assert kernel_distance(first, second) == pytest.approx(sum(within) - 2 * between)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_features_that_cannot_be_compared(distance):
    good = normal(0, 3, 2)
    with pytest.raises(UserError, match="two or more images, but a set has 1"):
        distance(good, good[:1])
    with pytest.raises(UserError, match="a feature is not finite"):
        distance(good, np.full((3, 2), np.nan))
