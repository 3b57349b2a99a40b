"""Two labelled image sets of TFDS, or two classes of one set, as the domains of a data set, without TensorFlow.

This module imports `tensorflow_datasets`, which takes seconds: import it only where such a set is used.
"""

import contextlib
import difflib
import logging
import sys
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Int64
from tensorflow_datasets.core.download import resource

from cyclegan_jax import files
from cyclegan_jax.data.dataset import EMPTY, Dataset, Example, Split
from cyclegan_jax.data.sets import downloads
from cyclegan_jax.data.sets.tfds_store import encoded_records, prepare, quiet, store_root
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

_TEST_SPLITS: Final = ("test", "validation")
_BATCH: Final = 1024
"""Records read at once when a split's labels are collected."""
_LABELS: Final[dict[tuple[str, str, float], Int64[np.ndarray, " N"]]] = {}
"""Labels collected in this process, by folder, split and time of preparation."""


@dataclass(frozen=True)
class _Domain:
    """The set and class of one domain, such as `cifar10:cat`.

    Attributes:
        field: the config field that selects it.
        text: the value of the field.
        set_name: the TFDS data set, such as `cifar10`, possibly with a config (`SET/CONFIG`).
        class_name: the class, such as `cat`; empty for all images of the set.
    """

    field: str
    text: str
    set_name: str
    class_name: str

    @classmethod
    def parse(cls, field: str, text: str) -> "_Domain":
        set_name, _, class_name = text.partition(":")
        return cls(field, text, set_name.strip(), class_name.strip())

    def error(self, what: str) -> UserError:
        return UserError(f"{self.field} is {self.text!r}, but {what}")


@dataclass(frozen=True)
class _ClassSplit:
    """The examples of one class in a TFDS split, or all examples of the split.

    Attributes:
        records: TFDS's random access to the split, with images left encoded.
        indices: the records that belong to the class.
        prefix: what the names of the examples begin with.
    """

    records: Any
    indices: Int64[np.ndarray, " N"]
    prefix: str

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Example:
        record = self.records[int(self.indices[index])]
        return Example(record["image"], self._name(index))

    def names(self) -> list[str]:
        """Return the name of every example; no record is read."""
        return [self._name(index) for index in range(len(self))]

    def _name(self, index: int) -> str:
        return f"{self.prefix}/{self.indices[index]:06d}"


def open_labelled(name_A: str, name_B: str, data_dir: str | None = None) -> Dataset:
    """Open two image sets of TFDS as the domains A and B, and prepare them first if `data_dir` does not hold them yet.

    Names have the form `SET`, `SET:CLASS`, `SET/CONFIG` or `SET/CONFIG:CLASS`, such as `cifar10:cat` and `cifar10:dog`,
    or `mnist` and `svhn_cropped`. A set whose preparation needs TensorFlow can be prepared on a machine that has it, as
    ArrayRecord files, and copied.

    Args:
        name_A: domain A.
        name_B: domain B.
        data_dir: the TFDS directory to keep the sets in; default: `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.

    Returns:
        The data set, in the order of the TFDS sets. Examples are named by set, split and index, such as
        `cifar10/train/000123`. Test images come from the split `test`, or else `validation`, or there are none.

    Raises:
        UserError: there is no such set or class, it holds no images, both domains are the same, or a set cannot be
            prepared or read.
    """
    domains = [_Domain.parse("data.name_A", name_A), _Domain.parse("data.name_B", name_B)]
    if name_A == name_B:
        raise domains[1].error("data.name_A is the same: give two classes or two sets")
    root = store_root(data_dir)
    train, test = [], []
    for domain in domains:
        builder = _prepared_builder(domain, root)
        label = _class_index(builder, domain)
        train.append(_split(builder, domain, label, ("train",)))
        test.append(_split(builder, domain, label, _TEST_SPLITS))
        if not len(train[-1]):
            raise domain.error(
                f"there are no such training images: the splits of the set are {', '.join(builder.info.splits)}"
            )
    return Dataset(*train, *test)


def _prepared_builder(domain: _Domain, root: tfds.core.Path) -> tfds.core.DatasetBuilder:
    """Return the builder of a set that is stored as ArrayRecord files, after preparing it if necessary."""
    builder = _builder(domain, root)
    _check_features(builder, domain)
    with quiet():
        prepared = builder.is_prepared()
    if not prepared:
        builder = _builder(domain, root, file_format="array_record")
        _prepare(builder, domain, root)
    formats = {one.value for one in builder.info.available_file_formats()}
    if "array_record" not in formats:
        raise domain.error(
            f"the set is stored in {builder.data_path} as {', '.join(sorted(formats))}, which needs TensorFlow to "
            f"read: give another data_dir, and prepare the set there with `{_command(domain, 'DIR')}`"
        )
    return builder


def _builder(domain: _Domain, root: tfds.core.Path, **options: str) -> tfds.core.DatasetBuilder:
    base, _, config = domain.set_name.partition("/")
    names = tfds.list_builders(with_community_datasets=False)
    if base not in names:
        close = difflib.get_close_matches(base, names, n=1)
        hint = f"did you mean {close[0]}?" if close else "give one of its catalog, such as cifar10 or mnist"
        raise domain.error(f"TFDS has no data set {base!r}: {hint}")
    try:
        with quiet():
            configs = list(tfds.builder_cls(base).builder_configs)
            if config and config not in configs:
                raise domain.error(f"{base} has no config {config!r}: {_some(configs, config)}")
            return tfds.builder(domain.set_name, data_dir=root, **options)
    except UserError:
        raise
    except Exception as error:  # Each set has its own code, which may raise anything.
        raise domain.error(f"TFDS cannot open the set in {root} ({_first_line(error)}): give another") from error


def _check_features(builder: tfds.core.DatasetBuilder, domain: _Domain) -> None:
    features = builder.info.features
    for key, kind, needed in (
        ("image", tfds.features.Image, True),
        ("label", tfds.features.ClassLabel, bool(domain.class_name)),
    ):
        if needed and not (key in features and isinstance(features[key], kind)):
            raise domain.error(
                f"the set has no {key}: its features are {', '.join(features)}; give a set for image classification"
            )


def _prepare(builder: tfds.core.DatasetBuilder, domain: _Domain, root: tfds.core.Path) -> None:
    command = _command(domain, str(root))
    remedy = f"prepare it once with `{command}` where TensorFlow and a network are available, or give another"
    unreachable = _unreachable(builder, root)
    if unreachable:
        raise domain.error(f"the set is not in {root} and {unreachable} cannot be reached: {remedy}")
    _LOG.info(f"preparing {domain.set_name} in {builder.data_path} (once)")
    try:
        # TFDS prints its progress to standard output, where scripts expect results only.
        with contextlib.redirect_stdout(sys.stderr):
            prepare(builder, bars=sys.stderr.isatty())
    except Exception as error:  # Each set has its own code, which may raise anything, and much of it needs TensorFlow.
        raise domain.error(f"the set cannot be prepared here ({_first_line(error)}): {remedy}") from error


def _unreachable(builder: tfds.core.DatasetBuilder, root: tfds.core.Path) -> str | None:
    """Return the servers of a set's files if none answers and no file is here yet; None if preparing may work.

    TFDS itself would retry for minutes before it gives up.
    """
    urls = builder.url_infos or {}
    folders = [Path(root) / "downloads" / name for name in (".", builder.name, "manual")]
    names = [name for url, info in urls.items() for name in (info.filename, resource.get_dl_fname(url, info.checksum))]
    if any(files.exists(folder / name) for folder in folders for name in names if name):
        return None
    one_each = {urllib.parse.urlsplit(url).netloc: url for url in urls}
    if not one_each or any(downloads.answers(url) for url in one_each.values()):
        return None
    return " or ".join(one_each)


def _class_index(builder: tfds.core.DatasetBuilder, domain: _Domain) -> int | None:
    if not domain.class_name:
        return None
    names = builder.info.features["label"].names  # known for some sets only once they are prepared
    if domain.class_name not in names:
        raise domain.error(f"{domain.set_name} has no class {domain.class_name!r}: {_some(names, domain.class_name)}")
    return int(names.index(domain.class_name))


def _split(builder: tfds.core.DatasetBuilder, domain: _Domain, label: int | None, splits: Sequence[str]) -> Split:
    """Open the first of the splits that holds images of the class (any images if `label` is None), or an empty one."""
    try:
        with quiet():
            for split in splits:
                if split not in builder.info.splits:
                    continue
                records = encoded_records(builder)[split]
                indices = np.arange(len(records)) if label is None else np.flatnonzero(_labels(builder, split) == label)
                chosen = _ClassSplit(records, indices, f"{domain.set_name}/{split}")
                if len(chosen):
                    chosen[0], chosen[len(chosen) - 1]  # TFDS opens a file only when an example of it is read
                    return chosen
    except Exception as error:  # TFDS and ArrayRecord raise many unrelated types for a data set they cannot read
        raise domain.error(
            f"the set in {builder.data_path} is damaged: delete that folder to prepare it again"
        ) from error
    return EMPTY


def _labels(builder: tfds.core.DatasetBuilder, split: str) -> Int64[np.ndarray, " N"]:
    """Return the labels of a split, which are read once per process, without decoding images."""
    # The time stamp notices a set that was prepared again.
    key = (str(builder.data_path), split, (builder.data_path / "dataset_info.json").stat().mtime)
    if key not in _LABELS:
        # A feature dict with the label alone skips the image of each serialized record, in whatever encoding it is.
        only = tfds.features.FeaturesDict({"label": builder.info.features["label"]})
        raw = {"split": split, "deserialize_method": tfds.decode.DeserializeMethod.RAW_BYTES}
        source: Any = builder.as_data_source(**cast(Any, raw))
        labels = [
            only.deserialize_example_np(record)["label"]
            for start in range(0, len(source), _BATCH)
            for record in source.__getitems__(list(range(start, min(start + _BATCH, len(source)))))
        ]
        _LABELS[key] = np.array(labels, dtype=np.int64)
    return _LABELS[key]


def _command(domain: _Domain, data_dir: str) -> str:
    return f"tfds build {domain.set_name} --file_format=array_record --data_dir={data_dir}"


def _some(names: Sequence[str], wanted: str, most: int = 10) -> str:
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}there are {', '.join(names[:most])}" + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip(" *") for line in str(error).splitlines()]
    return f"{type(error).__name__}: {next(filter(None, lines), 'no message')}"
