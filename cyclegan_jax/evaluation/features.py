"""The features of images that FID and KID compare: Inception's, or a user's own function."""

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.distances import Features
from cyclegan_jax.evaluation.user_functions import load_function

INCEPTION: Final = "inception"
WEIGHTS_FILE: Final = "weights-inception-2015-12-05-6726825d.pth"
_INSTALL: Final = "pip install 'cyclegan-jax[fid]'"
_SIZE: Final = 299  # of Inception's images
_BATCH: Final = 16


@dataclass(frozen=True)
class Extractor:
    """Features of images.

    Attributes:
        name: `inception`, or the function's `module:function`.
        extract: uint8 (N, H, W, 3) -> (N, D).
    """

    name: str
    extract: Callable[[Uint8Image], Features]

    def __call__(self, images: Sequence[Uint8Image]) -> Features:
        """The features of uint8 images (H, W, C), of any sizes, in their order: [N, D] float64.

        Raises:
            UserError: the function's answer is not of the form [N, D].
        """
        found: list[Features] = []
        for batch in _batches(images):
            features = np.asarray(self.extract(batch))
            if features.ndim != 2 or len(features) != len(batch) or features.dtype.kind not in "fiu":
                raise UserError(
                    f"the features {self.name} answered {len(batch)} images with {features.dtype} of shape "
                    f"{features.shape}, but they must be numbers [N, D]"
                )
            found.append(features.astype(np.float64))
        return np.concatenate(found)


def _batches(images: Sequence[Uint8Image]) -> Iterator[Uint8Image]:
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
    """The features that `spec` names.

    Args:
        spec: `inception`, or `module:function`: uint8 images (N, H, W, 3) -> features (N, D).
        weights: the file of Inception's weights; None takes the one that was downloaded, or downloads it.
        flag: the flag that holds `spec`, for messages.
        weights_flag: the flag that holds `weights`, for messages.

    Raises:
        UserError: there is no such function, the library or the weights are missing, or they are no weights.
    """
    if spec != INCEPTION:
        return Extractor(spec, load_function(spec, flag))
    return Extractor(INCEPTION, _load_inception(None if weights is None else Path(weights), weights_flag))


def inception_is_at_hand() -> bool:
    """Whether Inception's features can be had without a download."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "torch_fidelity")):
        return False
    return _downloaded().is_file()


def _downloaded() -> Path:
    """Where torch.hub keeps it; asking torch itself would take seconds."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{cache}/torch")
    return Path(home).expanduser() / "hub" / "checkpoints" / WEIGHTS_FILE


def _load_inception(weights: Path | None, flag: str) -> Callable[[Uint8Image], Features]:
    try:
        import torch
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
    except ImportError as error:
        raise UserError(f"FID and KID need torch-fidelity, which is not installed ({error}): {_INSTALL}") from error
    except RuntimeError as error:
        # torchvision's own way to say that it was built for another torch.
        raise UserError(
            f"torch-fidelity cannot be imported ({error}): install versions of torch and torchvision that belong "
            "together"
        ) from error
    place = weights or _downloaded()
    by_hand = f"download {URL_INCEPTION_V3} elsewhere, and put the file at {_downloaded()} or name it by {flag}=FILE"
    if weights is not None and not weights.is_file():
        raise UserError(f"there is no file {weights} with the weights of Inception: {by_hand}")
    if not place.is_file():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(place), hash_prefix="6726825d", progress=False)
        except (OSError, RuntimeError) as error:
            raise UserError(f"the weights of Inception could not be downloaded ({error}): {by_hand}") from error
    try:
        # The library unpickles whatever it is given: a file of anything but weights ends here.
        torch.load(place, weights_only=True)
        network = FeatureExtractorInceptionV3(INCEPTION, ["2048"], feature_extractor_weights_path=str(place))
    except Exception as error:
        raise UserError(
            f"{place} does not hold the weights of Inception ({type(error).__name__}): delete it, then {by_hand}"
        ) from error

    def extract(images: Uint8Image) -> Features:
        # Pillow's bicubic with antialiasing, as Parmar et al., "On Aliased Resizing and Surprising Subtleties in GAN
        # Evaluation" (2022), ask for; the network's own resizing, without it, then leaves the images alone.
        resized = [images_lib.resize(image, _SIZE, _SIZE, nearest=False) for image in images]
        batch: Any = torch.from_numpy(np.stack(resized).transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            features: Features = network(batch)[0].numpy()
        return features

    return extract
