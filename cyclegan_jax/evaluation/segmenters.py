"""Segmentation models that a user brings, for the labels -> photo score: an ONNX file or a Python function."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.segmentation import ClassIds, Images
from cyclegan_jax.evaluation.user_functions import load_function

Segmenter = Callable[[Images], ClassIds]
"""uint8 photos [N, H, W, 3] -> uint8 class ids [N, H, W] in the order of the palette."""

_FLAG: Final = "--segmenter"
_FORMS: Final = (
    "it must take one batch of RGB images, uint8 in [0, 255] or float32 in [0, 1], as [N, 3, H, W] or [N, H, W, 3], "
    "and give class scores of the same layout or ids [N, H, W]; wrap any other model in a module:function"
)


def load_segmenter(spec: str) -> Segmenter:
    """The segmentation model that `spec` names.

    Args:
        spec: an ONNX file (its name ends in .onnx), or `module:function`: uint8 photos [N, H, W, 3] -> class ids
            [N, H, W], integers in the order of the palette.

    Returns:
        A function that checks what the model answers.

    Raises:
        UserError: there is no such model, or it is not of a form that can be called.
    """
    segment = _load_onnx(Path(spec)) if spec.endswith(".onnx") else load_function(spec, _FLAG)

    def checked(photos: Images) -> ClassIds:
        ids = np.asarray(segment(photos))
        if ids.shape != photos.shape[:3] or not np.issubdtype(ids.dtype, np.integer):
            raise UserError(
                f"{_FLAG} {spec} answered photos of shape {photos.shape} with {ids.dtype} of shape {ids.shape}, but it "
                "must give integer class ids [N, H, W]"
            )
        if ids.size and not 0 <= ids.min() <= ids.max() <= 255:
            raise UserError(
                f"{_FLAG} {spec} answered with class ids {ids.min()} to {ids.max()}: give those of the palette"
            )
        return ids.astype(np.uint8)

    return checked


def _load_onnx(path: Path) -> Callable[[Images], npt.NDArray[Any]]:
    if not path.is_file():
        raise UserError(f"{_FLAG} is {str(path)!r}, but there is no such file: name an ONNX model of labelled photos")
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"{_FLAG} {path} needs onnxruntime, which is not installed: pip install 'cyclegan-jax[onnx]'"
        ) from error
    try:
        session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
    except Exception as error:
        raise UserError(f"{_FLAG} {path} is not a model that onnxruntime can load: {error}") from error
    (taken, *others), answer = session.get_inputs(), session.get_outputs()[0]
    types = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
    if others or len(taken.shape) != 4 or taken.type not in types or 3 not in (taken.shape[1], taken.shape[3]):
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in (taken, *others))
        raise UserError(f"{_FLAG} {path} takes {found}, but {_FORMS}")
    channels_first = taken.shape[1] == 3
    batch, *sides = taken.shape[:1] + (taken.shape[2:] if channels_first else taken.shape[1:3])
    fixed_size = tuple(sides) if all(isinstance(side, int) for side in sides) else None

    def run(photos: Images) -> npt.NDArray[Any]:
        inputs: npt.NDArray[Any] = photos
        if fixed_size is not None:
            inputs = np.stack([resize(photo, *fixed_size, nearest=False) for photo in photos])
        if taken.type == "tensor(float)":
            inputs = inputs.astype(np.float32) / np.float32(255)
        if channels_first:
            inputs = inputs.transpose(0, 3, 1, 2)
        size = batch if isinstance(batch, int) else len(photos)
        answers = []
        for start in range(0, len(photos), size):
            part = inputs[start : start + size]
            # A model of a fixed batch gets whole ones.
            whole = np.concatenate([part, *[part[-1:]] * (size - len(part))])
            (found,) = session.run([answer.name], {taken.name: np.ascontiguousarray(whole)})
            answers.append(np.asarray(found)[: len(part)])
        ids = _to_ids(np.concatenate(answers), channels_first, path)
        return np.stack([_resize_ids(one, photos.shape[1:3]) for one in ids])

    return run


def _to_ids(answers: npt.NDArray[Any], channels_first: bool, path: Path) -> npt.NDArray[np.uint8]:
    if answers.ndim == 4:
        answers = answers.argmax(axis=1 if channels_first else 3)
    if answers.ndim != 3 or not np.issubdtype(answers.dtype, np.integer):
        raise UserError(f"{_FLAG} {path} gives {answers.dtype} of shape {answers.shape}, but {_FORMS}")
    if answers.size and not 0 <= answers.min() <= answers.max() <= 255:
        raise UserError(f"{_FLAG} {path} gives class ids {answers.min()} to {answers.max()}: give those of the palette")
    return answers.astype(np.uint8)


def _resize_ids(ids: npt.NDArray[np.uint8], size: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Many models answer at a part of the size."""
    resized: npt.NDArray[np.uint8] = resize(ids[..., None], *size, nearest=True)[..., 0]
    return resized
