"""Two labelled image sets of TFDS, or two classes of one, as the domains of an unpaired data set, without TensorFlow.

This module imports `tensorflow_datasets`: import it only where such a set is wanted.
"""

import contextlib
import difflib
import sys
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import resource

from cyclegan_jax.data.sets import downloads
from cyclegan_jax.data.sets.tfds_store import Split, encoded_sources, prepare, quiet, store_root
from cyclegan_jax.errors import UserError

_TEST_SPLITS: Final = ("test", "validation")
_BATCH: Final = 1024
_LABELS: Final[dict[tuple[str, str, float], npt.NDArray[np.int64]]] = {}
"""The labels of the splits that were indexed, by folder, split and time of preparation."""


@dataclass(frozen=True)
class _Domain:
    """What a user asked for: `field` is the config's, `text` its value, which consists of the others."""

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


class _Chosen(Split):
    """The examples of one split that are of one class, or all."""

    def __init__(self, source: Any, indices: npt.NDArray[np.int64], prefix: str) -> None:
        self._source = source
        self._indices = indices
        self._prefix = prefix

    def __len__(self) -> int:
        return len(self._indices)

    def _example(self, index: int) -> dict[str, Any]:
        at = int(self._indices[index])
        return {"image": self._source[at]["image"], "filename": f"{self._prefix}/{at:06d}"}


def open_labelled(name_A: str, name_B: str, data_dir: str | None = None) -> dict[str, Sequence[dict[str, Any]]]:
    """Open two image sets of TFDS as the domains A and B, preparing them first if `data_dir` does not hold them yet.

    Each is named `SET`, `SET:CLASS`, `SET/CONFIG` or `SET/CONFIG:CLASS`, such as `cifar10:cat` and `cifar10:dog`, or
    `mnist` and `svhn_cropped`. A set that cannot be prepared without TensorFlow can be prepared where that is
    installed, as ArrayRecord files.

    Args:
        name_A: domain A.
        name_B: domain B.
        data_dir: the TFDS directory to keep the sets in; default: `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.

    Returns:
        For each of trainA, trainB, testA and testB a sequence with `len()` and `[i]`, in the order of the set, which
        gives a dict of `image` (encoded, bytes) and `filename` (str), such as `cifar10/train/000123` for the image of
        that index. They come from the splits `train`, and `test` or else `validation`; a test split may be empty.

    Raises:
        UserError: there is no such set or class, it holds no images, both domains are the same, or the set cannot be
            prepared or read.
    """
    domains = [_Domain.parse("data.name_A", name_A), _Domain.parse("data.name_B", name_B)]
    if name_A == name_B:
        raise domains[1].error("data.name_A is the same: name two classes or two sets")
    root = store_root(data_dir)
    opened: dict[str, Sequence[dict[str, Any]]] = {}
    for letter, domain in zip("AB", domains, strict=True):
        builder = _ready(domain, root)
        wanted = _class_index(builder, domain)
        opened[f"train{letter}"] = _split(builder, domain, wanted, ("train",))
        opened[f"test{letter}"] = _split(builder, domain, wanted, _TEST_SPLITS)
        if not len(opened[f"train{letter}"]):
            raise domain.error(
                f"there are no such training images: the splits of the set are {', '.join(builder.info.splits)}"
            )
    return opened


def _ready(domain: _Domain, root: tfds.core.Path) -> tfds.core.DatasetBuilder:
    """The set's builder, prepared as ArrayRecord files."""
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
            f"the set is prepared in {builder.data_path} as {', '.join(sorted(formats))}, which needs TensorFlow to "
            f"read: name another data_dir, and prepare it there by `{_command(domain, 'DIR')}`"
        )
    return builder


def _builder(domain: _Domain, root: tfds.core.Path, **options: str) -> tfds.core.DatasetBuilder:
    base, _, config = domain.set_name.partition("/")
    names = tfds.list_builders(with_community_datasets=False)
    if base not in names:
        close = difflib.get_close_matches(base, names, n=1)
        hint = f"did you mean {close[0]}?" if close else "name one of its catalog, such as cifar10 or mnist"
        raise domain.error(f"TFDS has no data set {base!r}: {hint}")
    try:
        with quiet():
            configs = list(tfds.builder_cls(base).builder_configs)
            if config and config not in configs:
                raise domain.error(f"{base} has no config {config!r}: {_some(configs, config)}")
            return tfds.builder(domain.set_name, data_dir=root, **options)
    except UserError:
        raise
    except Exception as error:  # each set is code of its own
        raise domain.error(f"TFDS cannot open that set in {root} ({_first_line(error)}): name another") from error


def _check_features(builder: tfds.core.DatasetBuilder, domain: _Domain) -> None:
    features = builder.info.features
    for key, kind, needed in (
        ("image", tfds.features.Image, True),
        ("label", tfds.features.ClassLabel, bool(domain.class_name)),
    ):
        if needed and not (key in features and isinstance(features[key], kind)):
            raise domain.error(
                f"the set has no {key}: its features are {', '.join(features)}; name a set for image classification"
            )


def _prepare(builder: tfds.core.DatasetBuilder, domain: _Domain, root: tfds.core.Path) -> None:
    command = _command(domain, str(root))
    remedy = f"prepare it once by `{command}` where TensorFlow and a network are at hand, or name another"
    unreachable = _unreachable(builder, root)
    if unreachable:
        raise domain.error(f"the set is not in {root} and {unreachable} cannot be reached: {remedy}")
    print(f"Preparing {domain.set_name} into {builder.data_path} (once)", file=sys.stderr, flush=True)
    try:
        # TFDS tells on standard output what it does.
        with contextlib.redirect_stdout(sys.stderr):
            prepare(builder, bars=sys.stderr.isatty())
    except Exception as error:  # each set is code of its own, and much of it needs TensorFlow
        raise domain.error(f"the set cannot be prepared here ({_first_line(error)}): {remedy}") from error


def _unreachable(builder: tfds.core.DatasetBuilder, root: tfds.core.Path) -> str | None:
    """The server of the set's files, if they are not here and no server of them answers: TFDS would try for minutes."""
    urls = builder.url_infos or {}
    folders = [Path(root) / "downloads" / name for name in (".", builder.name, "manual")]
    names = [name for url, info in urls.items() for name in (info.filename, resource.get_dl_fname(url, info.checksum))]
    if any((folder / name).exists() for folder in folders for name in names if name):
        return None
    one_each = {urllib.parse.urlsplit(url).netloc: url for url in urls}
    if not one_each or any(downloads.answers(url) for url in one_each.values()):
        return None
    return " or ".join(one_each)


def _class_index(builder: tfds.core.DatasetBuilder, domain: _Domain) -> int | None:
    if not domain.class_name:
        return None
    names = builder.info.features["label"].names  # some sets know them only when they are prepared
    if domain.class_name not in names:
        raise domain.error(f"{domain.set_name} has no class {domain.class_name!r}: {_some(names, domain.class_name)}")
    return int(names.index(domain.class_name))


def _split(
    builder: tfds.core.DatasetBuilder, domain: _Domain, wanted: int | None, splits: Sequence[str]
) -> Sequence[dict[str, Any]]:
    """The first of the splits that holds images of the class; without one, an empty sequence."""
    try:
        with quiet():
            for split in splits:
                if split not in builder.info.splits:
                    continue
                source = encoded_sources(builder)[split]
                indices = (
                    np.arange(len(source)) if wanted is None else np.flatnonzero(_labels(builder, split) == wanted)
                )
                chosen = _Chosen(source, indices, f"{domain.set_name}/{split}")
                if len(chosen):
                    chosen[0], chosen[-1]
                    return chosen
    except Exception as error:  # what TFDS and ArrayRecord raise for a data set they cannot read has no common type
        raise domain.error(
            f"the set in {builder.data_path} is damaged: delete that folder to prepare it again"
        ) from error
    return ()


def _labels(builder: tfds.core.DatasetBuilder, split: str) -> npt.NDArray[np.int64]:
    """The labels of a split, read once in a process, without decoding an image."""
    key = (str(builder.data_path), split, (builder.data_path / "dataset_info.json").stat().mtime)
    if key not in _LABELS:
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
