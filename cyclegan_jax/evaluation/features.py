"""The image features that FID and KID compare: Inception's, or those of a user's own function."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Float64, UInt8

from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.inception import load_inception
from cyclegan_jax.user_functions import load_function

INCEPTION: Final = "inception"
_BATCH: Final = 16


@dataclass(frozen=True)
class Extractor:
    """A function from images to features, with checks of what it returns.

    Attributes:
        name: `inception`, or the function's `module:function`.
        extract: maps a batch of images of one size to features.
    """

    name: str
    extract: Callable[[UInt8[np.ndarray, "N H W 3"]], Float[np.ndarray, "N D"]]

    def __call__(self, images: Sequence[Uint8Image]) -> Float64[np.ndarray, "N D"]:
        """Compute the features of uint8 images (H, W, C), whose sizes may differ; row i belongs to image i.

        Raises:
            UserError: the function raised an error, or returned something other than N rows of D finite numbers.
        """
        found: list[Float64[np.ndarray, "N D"]] = []
        for batch in _batches(images):
            features = self._array(self.extract(batch))
            is_matrix = features.ndim == 2 and len(features) == len(batch) and features.dtype.kind in "fiu"
            if not is_matrix or features.shape[1] == 0 or (found and features.shape[1] != found[0].shape[1]):
                raise UserError(
                    f"the features {self.name} returned {features.dtype} of shape {features.shape} for {len(batch)} "
                    "images, but they must be numbers [N, D], with one D for images of every size"
                )
            found.append(features.astype(np.float64))
            # KID takes sixth powers, which overflow for values far above float32's.
            wrong = int((~(np.abs(found[-1]) <= np.finfo(np.float32).max)).sum())
            if wrong:
                raise UserError(
                    f"the features {self.name} returned {wrong:,} numbers that are not finite float32 values for "
                    f"{len(batch)} images: correct the function, or check whether the generator has diverged"
                )
        return np.concatenate(found)

    def _array(self, returned: object) -> np.ndarray:
        try:
            return np.asarray(returned)
        except Exception as error:  # rows of different lengths, or an object that fails to become an array
            raise UserError(
                f"the features {self.name} returned {type(returned).__name__}, which is not an array ({error}), but "
                "they must be numbers [N, D]"
            ) from error


def _batches(images: Sequence[Uint8Image]) -> Iterator[UInt8[np.ndarray, "N H W 3"]]:
    """Stack runs of consecutive images of one size, which keeps their order."""
    batch: list[Uint8Image] = []
    for image in images:
        if batch and (len(batch) == _BATCH or batch[0].shape[:2] != image.shape[:2]):
            yield np.stack(batch)
            batch = []
        batch.append(images_lib.to_rgb(image))
    if batch:
        yield np.stack(batch)


def load_features(
    spec: str,
    weights: str | Path | None = None,
    flag: str = "--features",
    weights_flag: str = "--inception_weights",
) -> Extractor:
    """Load the features that `spec` names.

    Args:
        spec: `inception`, or `module:function`, a function from uint8 images (N, H, W, 3) to features (N, D).
        weights: the file of Inception's weights; None uses the downloaded file, or downloads it.
        flag: the flag that holds `spec`, for messages.
        weights_flag: the flag that holds `weights`, for messages.

    Raises:
        UserError: there is no such function, torch-fidelity is not installed, or the weights are missing or damaged.
    """
    if spec != INCEPTION:
        return Extractor(spec, load_function(spec, flag))
    return Extractor(INCEPTION, load_inception(None if weights is None else Path(weights), weights_flag))
