"""An exported program is compared with the generator before it is written, and what differs is refused."""

import jax
import numpy as np
import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import agreement
from cyclegan_jax.exchange.agreement import Program
from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.kernels.choice import Kernels
from tests.helpers.generators import pretrained


@pytest.fixture(scope="module")
def model() -> Pretrained:
    return pretrained()


@pytest.fixture(scope="module")
def own(model: Pretrained) -> Program:
    return agreement.own_program(model, Kernels.for_platform("cpu"), uint8=False)


def test_the_largest_difference_is_returned(model: Pretrained, own: Program) -> None:
    assert agreement.check(own, model) == 0
    assert agreement.check(lambda images: np.asarray(own(images)) + 1.5e-4, model) == pytest.approx(1.5e-4, rel=0.01)
    # A ten-thousandth of the range from -1 to 1.
    with pytest.raises(UserError, match=r"differs from the generator by up to 0\.0003, more than 0\.0002, so nothing"):
        agreement.check(lambda images: np.asarray(own(images)) + 3e-4, model)


def test_one_wrong_pixel_of_one_image_is_found(model: Pretrained, own: Program) -> None:
    def wrong(images: np.ndarray) -> np.ndarray:
        found = np.array(own(images))
        if len(found) == 3:
            found[2, -1, -1] += 0.5
        return found

    with pytest.raises(UserError, match=r"by up to 0\.5"):
        agreement.check(wrong, model)


def test_nan_and_other_shapes_are_refused(model: Pretrained, own: Program) -> None:
    with pytest.raises(UserError, match="differs from the generator by up to nan, more than"):
        agreement.check(lambda images: np.asarray(own(images)) * np.nan, model)
    with pytest.raises(UserError, match=r"made \(1, 24, 48, 1\) of \(1, 48, 48, 3\) images: nothing is written"):
        agreement.check(lambda images: np.asarray(own(images))[:, ::2], model)


def test_weights_that_are_no_numbers_are_named(model: Pretrained) -> None:
    agreement.check_finite(model)
    broken = pretrained()
    broken.params["head"]["bias"][0] = np.inf
    with pytest.raises(UserError, match=r"of step 7 holds NaN or infinite weights \(head\.bias\): choose an earlier"):
        agreement.check_finite(broken)


def test_the_comparison_needs_the_cpu(model: Pretrained, own: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def devices(platform: str) -> None:
        raise RuntimeError(f"Unknown backend {platform}")

    monkeypatch.setattr(jax, "devices", devices)
    with pytest.raises(UserError, match=r"compared with the generator on the CPU, but .*: set JAX_PLATFORMS=.*,cpu"):
        agreement.check(own, model)
