"""Data sets kept in TFDS's storage format: one builder class, preparation that is complete or absent, and reading.

TFDS keeps each set in its own folder as ArrayRecord files, which are read without TensorFlow. This module imports
`tensorflow_datasets`, which takes seconds: import it only where such a set is used.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

from cyclegan_jax import files
from cyclegan_jax.data.dataset import SPLITS, Dataset, Example
from cyclegan_jax.files import alone_in


class ImageBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS builder whose examples are `image` (an encoded image) and `filename`; it prints nothing."""

    def _image_info(self, image: tfds.features.Image) -> tfds.core.DatasetInfo:
        info: tfds.core.DatasetInfo = self.dataset_info_from_configs(
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict({"image": image, "filename": tfds.features.Text()}),
            # By default TFDS stores examples in the order of their hashed keys; pairs and names need ours.
            disable_shuffling=True,
        )
        return info

    # Without these overrides TFDS prints the download of a file of unknown size to standard output.
    def _log_download_bytes(self) -> None:
        pass

    def _log_download_done(self) -> None:
        pass


@dataclass(frozen=True)
class StoredSplit:
    """One split of an `ImageBuilder`.

    Attributes:
        records: TFDS's random access to the split, with images left encoded.
    """

    records: Any

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int, /) -> Example:
        record = self.records[index]
        return Example(record["image"], record["filename"].decode())

    def names(self) -> list[str]:
        """Return all file names; this reads every record, since ArrayRecord keeps a name beside its image."""
        return [self.records[index]["filename"].decode() for index in range(len(self.records))]


def store_root(data_dir: str | None) -> tfds.core.Path:
    """Return the TFDS directory: the given one, else `$TFDS_DATA_DIR`, else `~/tensorflow_datasets`."""
    given = tfds.core.Path(data_dir if data_dir is not None else tfds.core.constants.DATA_DIR)
    try:
        return given.expanduser()
    except RuntimeError as error:
        raise files.UnreadableError(os.fspath(given), error, "data.dir") from error


def is_stored(folder: tfds.core.Path) -> bool:
    """Return whether a folder of the TFDS directory exists.

    Raises:
        UnreadableError: the system does not say.
    """
    is_remote = "://" in os.fspath(folder)  # such as gs://bucket/folder
    return folder.exists() if is_remote else files.exists(os.fspath(folder))


def prepare(builder: tfds.core.DatasetBuilder, *, bars: bool = False) -> None:
    """Prepare a data set, unless another process has finished it first; `bars` shows TFDS's progress bars.

    TFDS writes to a folder `incomplete.*` and renames it at the end, so that a killed preparation leaves nothing that a
    later call would take for the data set. Of several processes one prepares, and the others wait for it.
    """
    parent = builder.data_path.parent
    parent.mkdir(parents=True, exist_ok=True)
    with quiet(bars=bars), alone_in(parent) as held:
        # Other sets may also be prepared by TFDS's own command, which takes no lock.
        if held and isinstance(builder, ImageBuilder):
            for left in parent.glob(f"incomplete.*_{builder.data_path.name}"):
                left.rmtree()
        try:
            builder.download_and_prepare()
            _flush(builder)
        except OSError:
            # If several processes prepare the set at once, the first to finish renames its folder; the rename of the
            # others fails, since the target then exists, and the finished set is as good as theirs.
            if not is_stored(builder.data_path):
                raise


def _flush(builder: tfds.core.DatasetBuilder) -> None:
    """Flush a data set to the disk, with what TFDS keeps beside its versions and configs; TFDS flushes nothing."""
    folder = next(parent for parent in Path(builder.data_path).parents if parent.name == builder.name)
    files.sync_tree(folder)
    files.sync(folder.parent)
    files.sync(folder.parent.parent)


def open_stored(builder: tfds.core.DatasetBuilder) -> Dataset:
    """Open a prepared `ImageBuilder`, and read the first and the last example of each split to detect damage."""
    with quiet():
        records = encoded_records(builder)
    splits = [StoredSplit(records[name]) for name in SPLITS]
    for split in splits:
        # TFDS opens a file only when an example of it is read.
        split[0], split[len(split) - 1]
    return Dataset(*splits)


def encoded_records(builder: tfds.core.DatasetBuilder) -> dict[str, Any]:
    """Return TFDS's random access to each split of a prepared data set, with images left encoded."""
    features = builder.info.features
    skip = {key: tfds.decode.SkipDecoding() for key in features if isinstance(features[key], tfds.features.Image)}
    return cast(dict[str, Any], builder.as_data_source(decoders=cast(Any, skip)))


@contextlib.contextmanager
def quiet(*, bars: bool = False) -> Iterator[None]:
    """Suppress TFDS's warnings (it warns of every config that is not in its list) and, unless `bars`, its bars."""
    # TFDS has a setter for the bars but no getter.
    had_bars, log = getattr(tqdm_utils, "_active", True), logging.getLogger("absl")
    level = log.level
    tfds.display_progress_bar(enable=bars)
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
        tfds.display_progress_bar(enable=had_bars)
