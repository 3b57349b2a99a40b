"""Segmentation models for the labels -> photo score: an ONNX file (`onnx_segmenter.py`) or a Python function."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.onnx_segmenter import load_onnx
from cyclegan_jax.user_functions import load_function

Segmenter = Callable[[UInt8[np.ndarray, "N H W 3"]], UInt8[np.ndarray, "N H W"]]
"""A function from photos to class ids in the order of the palette."""


def load_segmenter(spec: str) -> Segmenter:
    """Load the segmentation model that `spec` names.

    Args:
        spec: an ONNX file (its name ends in .onnx), or `module:function`, a function from uint8 photos [N, H, W, 3] to
            integer class ids [N, H, W] in the order of the palette.

    Returns:
        The model, with a check of shape, type and range of the ids that it returns.

    Raises:
        UserError: there is no such model, or its inputs have an unknown form.
    """
    segment = load_onnx(Path(spec)) if spec.endswith(".onnx") else load_function(spec, "--segmenter")

    def checked(photos: UInt8[np.ndarray, "N H W 3"]) -> UInt8[np.ndarray, "N H W"]:
        ids = np.asarray(segment(photos))
        if ids.shape != photos.shape[:3] or not np.issubdtype(ids.dtype, np.integer):
            raise UserError(
                f"--segmenter {spec} returned {ids.dtype} of shape {ids.shape} for photos of shape {photos.shape}, but "
                "it must return integer class ids [N, H, W]"
            )
        if ids.size and not 0 <= ids.min() <= ids.max() <= 255:
            raise UserError(
                f"--segmenter {spec} returned class ids {ids.min()} to {ids.max()}: return those of the palette"
            )
        return ids.astype(np.uint8)

    return checked
