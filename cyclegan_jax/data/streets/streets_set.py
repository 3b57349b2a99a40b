"""The embedded data set: street scenes that the package draws itself, kept as a TFDS data set named `streets`.

It needs neither network nor TensorFlow. Domain A holds label pictures and domain B photos. The training scenes of A and
B are different (unpaired); testA and testB show the same scenes in the same order with the same file names. This module
imports `tensorflow_datasets`, which takes seconds: import it only where the data set is used.
"""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

import tensorflow_datasets as tfds
from PIL import Image

from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.data.sets.tfds_store import ImageBuilder, is_stored, open_stored, prepare, quiet, store_root
from cyclegan_jax.data.streets.scene import draw_labels, draw_scene
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

# The seed of the first scene in each split; the next scenes count up from it. The ranges do not overlap, so that no
# scene is in two splits, except for the pairs of the test splits.
_FIRST_SEED: Final = {"trainA": 0, "trainB": 100_000, "testA": 200_000, "testB": 200_000}


@dataclass(eq=False)
class StreetsConfig(tfds.core.BuilderConfig):
    """The number of scenes and their size.

    Attributes:
        train: scenes in each of trainA and trainB.
        test: scenes in each of testA and testB.
        size: height and width in pixels.
    """

    train: int = 600
    test: int = 100
    size: int = 128


class Streets(ImageBuilder, skip_registration=True):
    """Drawn street scenes: label pictures (A) and photos (B).

    Each example has `image`, an RGB PNG of size x size pixels, and `filename`, such as `street_0007.png`.
    """

    name = "streets"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "Eight classes of Cityscapes, 128 pixels."}
    BUILDER_CONFIGS: ClassVar[list[StreetsConfig]] = [StreetsConfig(name="default")]  # type: ignore[misc]

    def _info(self) -> tfds.core.DatasetInfo:
        return self._image_info(tfds.features.Image(shape=(None, None, 3), encoding_format="png"))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, Any]]]:
        return {split: self._generate_examples(split) for split in _FIRST_SEED}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        config = cast(StreetsConfig, self.builder_config)
        for index in range(config.train if split.startswith("train") else config.test):
            seed = _FIRST_SEED[split] + index
            pixels = draw_labels(seed, config.size) if split.endswith("A") else draw_scene(seed, config.size).photo
            encoded = io.BytesIO()
            Image.fromarray(pixels).save(encoded, "PNG", compress_level=3)
            encoded.seek(0)
            yield index, {"image": encoded, "filename": f"street_{index:04d}.png"}


def open_streets(data_dir: str | None = None, *, train: int = 600, test: int = 100, size: int = 128) -> Dataset:
    """Open the street scenes, and draw them first if `data_dir` does not hold them yet.

    An interrupted preparation leaves nothing that a later call would take for the data set.

    Args:
        data_dir: the TFDS directory to keep the data set in; default: `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        train: scenes in each of trainA and trainB.
        test: scenes in each of testA and testB.
        size: height and width in pixels.

    Returns:
        The data set, in the order in which it was drawn.

    Raises:
        UserError: a number is too small, or the directory cannot be written to or holds a damaged data set.
    """
    for name, value, least in (("train", train, 1), ("test", test, 1), ("size", size, 16)):
        if value < least:
            raise UserError(f"{name} is {value}, but the street scenes need at least {least}")
    config: StreetsConfig = Streets.BUILDER_CONFIGS[0]
    if (train, test, size) != (config.train, config.test, config.size):
        config = StreetsConfig(name=f"{size}px_{train}_{test}", train=train, test=test, size=size)
    root = store_root(data_dir)
    folder = root / Streets.name / config.name / str(Streets.VERSION)
    try:
        if not is_stored(folder):
            _LOG.info(f"drawing the street scenes in {folder} (once)")
            prepare(_builder(root, config))
    except OSError as error:
        raise UserError(
            f"the street scenes cannot be stored in data_dir {str(root)!r} ({error}): give another"
        ) from error
    try:
        return open_stored(_builder(root, config))
    except Exception as error:  # TFDS and ArrayRecord raise many unrelated types for a data set they cannot read
        raise UserError(f"the street scenes in {folder} are damaged: delete that folder to draw them again") from error


def _builder(root: tfds.core.Path, config: StreetsConfig) -> Streets:
    # TFDS wants a config of its list by name, and any other one as an object.
    known = any(config is one for one in Streets.BUILDER_CONFIGS)
    with quiet():
        builder: Streets = Streets(data_dir=root, config=config.name if known else config, file_format="array_record")
    return builder
