"""Distances between two sets of images by their features: Fréchet (FID) and kernel (KID).

The Fréchet distance of Heusel et al., *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium* (2017), and the kernel distance of Bińkowski et al., *Demystifying MMD GANs* (2018). With Inception's
features they are FID and KID. FID falls as sets grow, for no other reason than their size: two of its values compare
only at the same numbers of images. KID does not.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cyclegan_jax.errors import UserError

Features = npt.NDArray[np.floating[Any]]

_ROWS: Final = 1024  # of a kernel matrix at once: bounds the memory


def frechet_distance(first: Features, second: Features) -> float:
    """The squared Fréchet distance of two normal distributions fitted to features: FID.

    |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)), with the unbiased covariances S. The last trace is the sum of
    the singular values of X Y^T for centred X and Y: no root of a singular matrix is taken, which is where
    implementations lose digits when there are fewer images than features.

    Args:
        first: [N, D], N at least 2.
        second: [M, D], M at least 2.

    Returns:
        0 or more.

    Raises:
        UserError: the shapes are others, or a feature is not finite.
    """
    x, y = _checked(first, second)
    means = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    x, y = ((part - part.mean(axis=0)) / np.sqrt(len(part) - 1) for part in (x, y))
    cross = np.linalg.svd(_short(x) @ _short(y).T, compute_uv=False).sum()
    return max(0.0, float(means + (x**2).sum() + (y**2).sum() - 2 * cross))


def kernel_distance(first: Features, second: Features) -> float:
    """The unbiased squared maximum mean discrepancy under the kernel (x y / D + 1)^3: KID.

    Of all pairs of images at once, where the paper averages random subsets to save memory: the same expectation, and
    no seed.

    Arguments and errors are those of `frechet_distance`.

    Returns:
        0 on average where both sets come from one distribution, so that it may be negative.
    """
    x, y = _checked(first, second)
    within = sum((_kernel_sum(z, z) - _diagonal_sum(z)) / (len(z) * (len(z) - 1)) for z in (x, y))
    return float(within - 2 * _kernel_sum(x, y) / (len(x) * len(y)))


def _checked(first: Features, second: Features) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = (np.asarray(features, dtype=np.float64) for features in (first, second))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise UserError(
            f"a distance needs the features of two or more images on both sides, [N, D] and [M, D], not {x.shape} and "
            f"{y.shape}: add images"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UserError("a feature is not finite: look for a generator that has diverged, or correct the features")
    return x, y


def _short(centred: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A matrix of at most D rows with the same X^T X."""
    if len(centred) <= centred.shape[1]:
        return centred
    return np.asarray(np.linalg.qr(centred, mode="r"), np.float64)


def _kernel_sum(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    return float(sum(((x[i : i + _ROWS] @ y.T / x.shape[1] + 1) ** 3).sum() for i in range(0, len(x), _ROWS)))


def _diagonal_sum(x: npt.NDArray[np.float64]) -> float:
    return float((((x**2).sum(axis=1) / x.shape[1] + 1) ** 3).sum())
