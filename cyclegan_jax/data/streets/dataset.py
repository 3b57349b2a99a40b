"""The embedded data set: street scenes that the package draws itself, kept as a TFDS data set named `streets`.

It needs neither network nor TensorFlow. Domain A holds label pictures and domain B photos. The training scenes of A and
of B are different ones (unpaired); `testA` and `testB` show the same scenes, in the same order and under the same file
names. This module imports `tensorflow_datasets`: import it only where the data set is wanted.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

import tensorflow_datasets as tfds
from PIL import Image

from cyclegan_jax.data.sets.tfds_store import QuietBuilder, open_stored, prepare, quiet, store_root
from cyclegan_jax.data.streets.scene import draw_labels, draw_scene
from cyclegan_jax.errors import UserError

# Each split draws the seeds from its own start on, so no scene is in two of them except the pairs of the test splits.
_FIRST_SEED: Final = {"trainA": 0, "trainB": 100_000, "testA": 200_000, "testB": 200_000}


@dataclass(eq=False)
class StreetsConfig(tfds.core.BuilderConfig):
    """How many scenes, and of what size.

    Attributes:
        train: scenes in each of trainA and trainB.
        test: scenes in each of testA and testB.
        size: height and width in pixels.
    """

    train: int = 600
    test: int = 100
    size: int = 128


class Streets(QuietBuilder, skip_registration=True):
    """Drawn street scenes: label pictures (A) and photos (B).

    Each example has `image`, an RGB PNG of [size, size, 3], and `filename`, such as `street_0007.png`.
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


def open_streets(
    data_dir: str | None = None, *, train: int = 600, test: int = 100, size: int = 128
) -> dict[str, Sequence[dict[str, Any]]]:
    """Open the street scenes, drawing them first if `data_dir` does not hold them yet.

    A preparation that is stopped half way leaves nothing that a later call would take for the data set.

    Args:
        data_dir: the TFDS directory to keep the data set in; default: `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        train: scenes in each of trainA and trainB.
        test: scenes in each of testA and testB.
        size: height and width in pixels.

    Returns:
        For each of trainA, trainB, testA and testB a sequence with `len()` and `[i]`, which gives a dict of `image`
        (the encoded PNG, bytes; RGB uint8 [size, size, 3] once decoded) and `filename` (str).

    Raises:
        UserError: a number is too small, the directory cannot be written to, or what it holds is damaged.
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
        if not folder.exists():
            print(f"Drawing the street scenes into {folder} (once)", file=sys.stderr, flush=True)
            prepare(_builder(root, config))
    except OSError as error:
        raise UserError(
            f"the street scenes cannot be kept in data_dir {str(root)!r} ({error}): name another"
        ) from error
    try:
        return open_stored(_builder(root, config))
    except Exception as error:  # what TFDS and ArrayRecord raise for a data set they cannot read has no common type
        raise UserError(f"the street scenes in {folder} are damaged: delete that folder to draw them again") from error


def _builder(root: tfds.core.Path, config: StreetsConfig) -> Streets:
    known = any(config is one for one in Streets.BUILDER_CONFIGS)
    with quiet():
        builder: Streets = Streets(data_dir=root, config=config.name if known else config, file_format="array_record")
    return builder
