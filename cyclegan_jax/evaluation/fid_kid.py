"""FID and KID: the Fréchet and the kernel distance between the features of two sets of images.

Fréchet distance: Heusel et al., *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium*
(2017). Kernel distance: Bińkowski et al., *Demystifying MMD GANs* (2018). With Inception's features they are FID and
KID. FID is biased: it falls as the sets grow, so two values compare only at equal numbers of images. KID is unbiased.
"""

from typing import Final

import numpy as np
from jaxtyping import Float, Float64

from cyclegan_jax.errors import UserError

_ROWS: Final = 1024
"""Rows of a kernel matrix computed at once: 1,024 x 50,000 float64 take 400 MB, the whole matrix 20 GB."""


def frechet_distance(first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "M D"]) -> float:
    """Compute the squared Fréchet distance between normal distributions fitted to two sets of features: FID.

    |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)), with means m and unbiased covariances S.

    Returns:
        A number of 0 or more, computed in float64.

    Raises:
        UserError: a set has fewer than two images, or a feature is not finite.
    """
    x, y = _checked(first), _checked(second)
    means = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    x, y = ((part - part.mean(axis=0)) / np.sqrt(len(part) - 1) for part in (x, y))
    # With S1 = X^T X and S2 = Y^T Y, the eigenvalues of S1 S2 are the squared singular values of X Y^T. Implementations
    # that take a matrix root of S1 S2 lose digits with fewer images than features, where it is singular.
    cross = np.linalg.svd(_reduced(x) @ _reduced(y).T, compute_uv=False).sum()
    # Rounding may leave a tiny negative number for equal sets.
    return max(0.0, float(means + (x**2).sum() + (y**2).sum() - 2 * cross))


def kernel_distance(first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "M D"]) -> float:
    """Compute the unbiased squared maximum mean discrepancy under the kernel (x y / D + 1)^3: KID.

    All pairs of images enter. The paper averages over random subsets to save memory; the expectation is the same, and
    this way needs no seed.

    Returns:
        A number that is 0 on average for two sets from one distribution, so it may be negative.

    Raises:
        UserError: a set has fewer than two images, or a feature is not finite.
    """
    x, y = _checked(first), _checked(second)
    # An image paired with itself would bias the means within a set upwards, so the diagonal is left out.
    within = sum((_kernel_sum(z, z) - _diagonal_sum(z)) / (len(z) * (len(z) - 1)) for z in (x, y))
    return float(within - 2 * _kernel_sum(x, y) / (len(x) * len(y)))


def _checked(features: Float[np.ndarray, "N D"]) -> Float64[np.ndarray, "N D"]:
    if len(features) < 2:
        raise UserError(f"FID and KID compare sets of two or more images, but a set has {len(features)}: add images")
    if not np.isfinite(features).all():
        raise UserError("a feature is not finite: check whether the generator has diverged, or correct the features")
    return features.astype(np.float64)


def _reduced(centred: Float64[np.ndarray, "N D"]) -> Float64[np.ndarray, "rank D"]:
    """Return a matrix R of at most D rows with R^T R = X^T X, so that the SVD never exceeds D x D."""
    if len(centred) <= centred.shape[1]:
        return centred
    return np.asarray(np.linalg.qr(centred, mode="r"), np.float64)


def _kernel_sum(x: Float64[np.ndarray, "N D"], y: Float64[np.ndarray, "M D"]) -> float:
    return float(sum(((x[i : i + _ROWS] @ y.T / x.shape[1] + 1) ** 3).sum() for i in range(0, len(x), _ROWS)))


def _diagonal_sum(x: Float64[np.ndarray, "N D"]) -> float:
    return float((((x**2).sum(axis=1) / x.shape[1] + 1) ** 3).sum())
