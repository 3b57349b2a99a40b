"""What the data sets that are kept by TFDS share: where they lie, how they are read, and quiet."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils


def root(data_dir: str | None) -> Any:
    """The folder of all sets: `data_dir`, or else `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`."""
    return tfds.core.Path(data_dir if data_dir is not None else tfds.core.constants.DATA_DIR).expanduser()


class Examples(Sequence[dict[str, Any]]):
    """One split of records with `image`, the encoded bytes, and `filename`, here as text."""

    def __init__(self, source: Any) -> None:
        """Over a TFDS data source with images that are not decoded."""
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> "list[dict[str, Any]]": ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a split of {len(self)} images")
        example = self._source[int(index) % len(self)]
        return {"image": example["image"], "filename": example["filename"].decode()}


def open_splits(builder: Any, splits: Sequence[str]) -> dict[str, Examples]:
    """The splits of a prepared set; each is read at both ends, so that damage shows here.

    Raises:
        Exception: what TFDS and ArrayRecord raise for a data set that they cannot read has no common type.
    """
    with quiet():
        sources = builder.as_data_source(decoders={"image": skip_decoding()})
    opened = {split: Examples(sources[split]) for split in splits}
    for examples in opened.values():
        examples[0], examples[-1]
    return opened


def image_features(encoding: str | None = None) -> tfds.features.FeaturesDict:
    """The features of sets that `open_splits` reads: RGB images in files of the format `encoding`, and their names."""
    features: Mapping[str, Any] = {
        "image": tfds.features.Image(shape=(None, None, 3), encoding_format=encoding),
        "filename": tfds.features.Text(),
    }
    return tfds.features.FeaturesDict(features)


def skip_decoding() -> Any:
    """TFDS's own decoder turns colour modes into arrays of unlike shapes; the bytes are decoded elsewhere."""
    return tfds.decode.SkipDecoding()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back TFDS's progress bars, and its warning about a config that is not in its list."""
    bars, log = getattr(tqdm_utils, "_active", True), logging.getLogger("absl")
    level = log.level
    tfds.display_progress_bar(enable=False)
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
        tfds.display_progress_bar(enable=bars)


class SilentBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder that does not announce a download of unknown size on standard output."""

    def _log_download_bytes(self) -> None:
        pass

    def _log_download_done(self) -> None:
        pass
