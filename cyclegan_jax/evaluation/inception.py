"""Inception, the network whose features FID and KID compare: its weights are downloaded and loaded here."""

import importlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, UInt8

from cyclegan_jax import files
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError

WEIGHTS_FILE: Final = "weights-inception-2015-12-05-6726825d.pth"
_HASH_PREFIX: Final = "6726825d"
_SIZE: Final = 299
"""Height and width of Inception's input, in pixels."""

InceptionFeatures = Callable[[UInt8[np.ndarray, "N H W 3"]], Float32[np.ndarray, "N 2048"]]


def inception_is_available() -> bool:
    """Return whether Inception can be loaded without a download, without importing torch."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "torch_fidelity")):
        return False
    return files.is_file(_cached_weights())


def load_inception(weights: Path | None, flag: str = "--inception_weights") -> InceptionFeatures:
    """Load Inception, downloading 91 MB of weights where they are not cached.

    Args:
        weights: the file of the weights; None uses torch's cache of downloads, where torch-fidelity keeps it too.
        flag: the flag that holds `weights`, for messages.

    Returns:
        A function from uint8 images to the 2048 features of the last pooling layer.

    Raises:
        UserError: torch-fidelity is not installed, the download fails, or the file does not hold the weights.
    """
    with files.naming(flag):
        missing = weights is not None and not files.is_file(weights)
        if weights is not None and not missing:
            files.check_readable(weights)
    torch, library = _import_torch_fidelity()
    url = library.URL_INCEPTION_V3
    remedy = f"download {url} elsewhere, and put the file at {_cached_weights()} or name it by {flag}=FILE"
    file = weights or _cached_weights()
    if missing:
        raise UserError(f"there is no file {weights} with the weights of Inception: {remedy}")
    if not files.is_file(file):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), hash_prefix=_HASH_PREFIX, progress=False)
        except (OSError, RuntimeError) as error:
            raise UserError(f"the weights of Inception could not be downloaded ({error}): {remedy}") from error
    try:
        # torch-fidelity unpickles any object, which can run code; this call first refuses a file that holds more than
        # tensors.
        torch.load(file, weights_only=True)
        network = library.FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(file))
    except OSError as error:
        raise files.UnreadableError(file, error, flag) from error
    except Exception as error:
        raise UserError(
            f"{file} does not hold the weights of Inception ({type(error).__name__}): delete it, then {remedy}"
        ) from error

    def extract(images: UInt8[np.ndarray, "N H W 3"]) -> Float32[np.ndarray, "N 2048"]:
        # Pillow's antialiased bicubic, as Parmar et al., "On Aliased Resizing and Surprising Subtleties in GAN
        # Evaluation" (2022), recommend. The network's own resize has no antialiasing; it leaves 299 x 299 unchanged.
        resized = [resize(image, _SIZE, _SIZE, nearest=False) for image in images]
        batch = torch.from_numpy(np.stack(resized).transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            features: Float32[np.ndarray, "N 2048"] = network(batch)[0].numpy()
        return features

    return extract


def _import_torch_fidelity() -> tuple[Any, Any]:
    """Import torch and torch-fidelity's module of Inception, which takes seconds."""
    try:
        import torch

        library = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ImportError as error:
        raise UserError(
            f"FID and KID need torch-fidelity, which is not installed ({error}): pip install 'cyclegan-jax[fid]'"
        ) from error
    except RuntimeError as error:
        # torchvision raises this when it was built for another version of torch.
        raise UserError(
            f"torch-fidelity cannot be imported ({error}): install versions of torch and torchvision that belong "
            "together"
        ) from error
    return torch, library


def _cached_weights() -> Path:
    """Return where torch.hub stores the weights, by its documented rule: importing torch to ask takes seconds."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{cache}/torch")
    # As torch does, which takes "~" for the name of a folder where no home folder is known.
    return Path(os.path.expanduser(home)) / "hub" / "checkpoints" / WEIGHTS_FILE  # noqa: PTH111
