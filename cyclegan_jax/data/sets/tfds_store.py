"""What the data sets that are kept by TFDS share: a quiet builder, a preparation that is whole or absent, the reading.

TFDS keeps each set in a folder of its own, as ArrayRecord files, which need no TensorFlow. This module imports
`tensorflow_datasets`: import it only where such a set is wanted.
"""

import abc
import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast, overload

import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

SPLITS: Final = ("trainA", "trainB", "testA", "testB")
"""The splits of every unpaired data set."""


class QuietBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder of examples of `image`, an encoded picture, and `filename`; whoever prepares it says what happens."""

    def _image_info(self, image: tfds.features.Image) -> tfds.core.DatasetInfo:
        info: tfds.core.DatasetInfo = self.dataset_info_from_configs(
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict({"image": image, "filename": tfds.features.Text()}),
            disable_shuffling=True,
        )
        return info

    # TFDS announces a download of unknown size on standard output.
    def _log_download_bytes(self) -> None:
        pass

    def _log_download_done(self) -> None:
        pass


class Split(Sequence[dict[str, Any]]):
    """Random access to examples, each a dict of `image` (encoded bytes) and `filename` (str)."""

    @abc.abstractmethod
    def _example(self, index: int) -> dict[str, Any]:
        """The example at `index`, from 0 and below the length."""

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> "list[dict[str, Any]]": ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a split of {len(self)} images")
        return self._example(int(index) % len(self))


class StoredSplit(Split):
    """One split of a `QuietBuilder`, with the file names as text."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def _example(self, index: int) -> dict[str, Any]:
        example = self._source[index]
        return {"image": example["image"], "filename": example["filename"].decode()}


def store_root(data_dir: str | None) -> tfds.core.Path:
    """The TFDS directory: the given one, `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`."""
    return tfds.core.Path(data_dir if data_dir is not None else tfds.core.constants.DATA_DIR).expanduser()


def prepare(builder: tfds.core.DatasetBuilder, *, bars: bool = False) -> None:
    """Prepare a data set, or leave it to another process that was faster; `bars` shows the progress.

    One that is stopped half way leaves nothing that a later call would take for the data set.
    """
    with quiet(bars=bars):
        try:
            builder.download_and_prepare()
        except OSError:
            # Of preparations at the same time the first to end stays; the others cannot replace it and need not.
            if not builder.data_path.exists():
                raise


def open_stored(builder: tfds.core.DatasetBuilder, splits: Iterable[str] = SPLITS) -> dict[str, Sequence[Any]]:
    """The splits of a prepared `QuietBuilder`; reads the first and the last example of each, to see that it can."""
    with quiet():
        sources = encoded_sources(builder)
    opened = {split: StoredSplit(sources[split]) for split in splits}
    for examples in opened.values():
        examples[0], examples[-1]
    return dict(opened)


def encoded_sources(builder: tfds.core.DatasetBuilder) -> dict[str, Any]:
    """Each split of a prepared data set as TFDS gives it, its images left encoded."""
    features = builder.info.features
    skip = {key: tfds.decode.SkipDecoding() for key in features if isinstance(features[key], tfds.features.Image)}
    return cast(dict[str, Any], builder.as_data_source(decoders=cast(Any, skip)))


@contextlib.contextmanager
def quiet(*, bars: bool = False) -> Iterator[None]:
    """Hold back TFDS's warnings, such as that about a config not in its list, and its progress bars unless `bars`."""
    had_bars, log = getattr(tqdm_utils, "_active", True), logging.getLogger("absl")
    level = log.level
    tfds.display_progress_bar(enable=bars)
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
        tfds.display_progress_bar(enable=had_bars)
