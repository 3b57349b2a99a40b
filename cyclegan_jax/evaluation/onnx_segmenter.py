"""Loads a segmentation model from an ONNX file, and adapts photos and answers to its layout, type and size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Integer, Shaped, UInt8

from cyclegan_jax import files
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError

_FORMS: Final = (
    "it must take one batch of RGB images, uint8 in [0, 255] or float32 in [0, 1], as [N, 3, H, W] or [N, H, W, 3], "
    "and return class scores of the same layout or ids [N, H, W]; wrap any other model in a module:function"
)


@dataclass(frozen=True)
class OnnxSegmenter:
    """A segmentation model in an ONNX session.

    Attributes:
        path: its file, for messages.
        session: an `onnxruntime.InferenceSession` with one input.
        takes_floats: whether the input is float32 in [0, 1]; otherwise uint8 in [0, 255].
        channels_first: whether the layout is [N, 3, H, W]; otherwise [N, H, W, 3].
        batch: the fixed batch size, or None.
        size: the fixed height and width in pixels, or None.
    """

    path: Path
    session: Any
    takes_floats: bool
    channels_first: bool
    batch: int | None
    size: tuple[int, int] | None

    def __call__(self, photos: UInt8[np.ndarray, "N H W 3"]) -> Integer[np.ndarray, "N H W"]:
        """Segment photos; ids of another size than the photos' are resized to it.

        Raises:
            UserError: the model returned neither class scores nor class ids.
        """
        inputs = self._inputs(photos)
        size = self.batch or len(photos)
        answers = []
        for start in range(0, len(photos), size):
            part = inputs[start : start + size]
            # A fixed batch must be filled: with copies of the last photo, whose answers are dropped.
            whole = np.concatenate([part, *[part[-1:]] * (size - len(part))])
            (name,) = (taken.name for taken in self.session.get_inputs())
            (found,) = self.session.run([self.session.get_outputs()[0].name], {name: np.ascontiguousarray(whole)})
            answers.append(np.asarray(found)[: len(part)])
        ids = self._ids(np.concatenate(answers))
        # Many models answer at a quarter of the photo's size. Nearest makes no new ids.
        resized = [resize(one[..., None], *photos.shape[1:3], nearest=True)[..., 0] for one in ids]
        return np.stack(resized)

    def _inputs(
        self, photos: UInt8[np.ndarray, "N H W 3"]
    ) -> UInt8[np.ndarray, "N _ _ _"] | Float32[np.ndarray, "N _ _ _"]:
        inputs: np.ndarray = photos
        if self.size is not None:
            inputs = np.stack([resize(photo, *self.size, nearest=False) for photo in photos])
        if self.takes_floats:
            inputs = inputs.astype(np.float32) / np.float32(255)
        return inputs.transpose(0, 3, 1, 2) if self.channels_first else inputs

    def _ids(self, answers: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "N h w"]:
        if answers.ndim == 4:
            answers = answers.argmax(axis=1 if self.channels_first else 3)
        if answers.ndim != 3 or not np.issubdtype(answers.dtype, np.integer):
            raise UserError(f"--segmenter {self.path} returned {answers.dtype} of shape {answers.shape}, but {_FORMS}")
        if answers.size and not 0 <= answers.min() <= answers.max() <= 255:
            raise UserError(
                f"--segmenter {self.path} returned class ids {answers.min()} to {answers.max()}: return those of the "
                "palette"
            )
        return answers.astype(np.uint8)


def load_onnx(path: Path) -> OnnxSegmenter:
    """Load an ONNX model, on the accelerator where the installed onnxruntime supports it.

    Raises:
        UserError: there is no such file, onnxruntime is not installed, the file is not a model, or the model's inputs
            have an unknown form.
    """
    with files.naming("--segmenter"):
        if not files.is_file(path):
            raise UserError(
                f"--segmenter is {str(path)!r}, but there is no such file: name an ONNX model that segments photos"
            )
        files.check_readable(path)
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"--segmenter {path} needs onnxruntime, which is not installed: pip install 'cyclegan-jax[onnx]'"
        ) from error
    try:
        session = onnxruntime.InferenceSession(path, providers=onnxruntime.get_available_providers())
    except Exception as error:
        raise UserError(f"--segmenter {path} is not a model that onnxruntime can load: {error}") from error
    taken, *others = session.get_inputs()
    known_types = ("tensor(uint8)", "tensor(float)")
    # The layout is read from the shape, where names such as "height" stand for sides that may vary.
    if others or len(taken.shape) != 4 or taken.type not in known_types or 3 not in (taken.shape[1], taken.shape[3]):
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in (taken, *others))
        raise UserError(f"--segmenter {path} takes {found}, but {_FORMS}")
    channels_first = taken.shape[1] == 3
    batch = taken.shape[0]
    height, width = taken.shape[2:] if channels_first else taken.shape[1:3]
    return OnnxSegmenter(
        path=path,
        session=session,
        takes_floats=taken.type == "tensor(float)",
        channels_first=channels_first,
        batch=batch if isinstance(batch, int) else None,
        size=(height, width) if isinstance(height, int) and isinstance(width, int) else None,
    )
