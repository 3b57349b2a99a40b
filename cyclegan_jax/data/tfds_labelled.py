"""Any two classes of a labelled TFDS image set, or two image sets, as domains A and B.

This module imports `tensorflow_datasets`: import it only where such a set is wanted.
"""

import difflib
import socket
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any, Final, overload

import numpy as np
import tensorflow_datasets as tfds

from cyclegan_jax.data import tfds_store
from cyclegan_jax.errors import UserError

_TIMEOUT_SECONDS: Final = 5.0
_TEST_SPLITS: Final = ("test", "validation")
"""The split that is taken for testing is the first of these that the set has."""


class LabelledImages(Sequence[dict[str, Any]]):
    """Some of the images of a TFDS data source, encoded, under names made of their places."""

    def __init__(self, source: Any, places: Sequence[int], prefix: str):
        """The images of `source` at `places`, named `prefix` and a number."""
        self._source = source
        self._places = places
        self._prefix = prefix

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> "list[dict[str, Any]]": ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = int(self._places[index])
        return {"image": self._source[place]["image"], "filename": f"{self._prefix}/{place:06d}"}


def open_labelled(
    name_A: str, name_B: str, data_dir: str | None, *, say: Callable[[str], None] = print
) -> dict[str, Sequence[dict[str, Any]]]:
    """Open two domains that are TFDS image sets, or classes of them.

    Args:
        name_A: `SET` or `SET:CLASS`, such as `cifar10:cat` or `mnist`; a set's config goes as in TFDS, `SET/CONFIG`.
        name_B: the same for domain B.
        data_dir: the TFDS directory; default: `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        say: where progress goes.

    Returns:
        For each of trainA, trainB, testA and testB a sequence of dicts of `image` (an encoded image, bytes) and
        `filename` (str). Test images are of the split test, or validation; without either there are none.

    Raises:
        UserError: a set or a class is not there, cannot be prepared, or holds no images.
    """
    opened: dict[str, Sequence[dict[str, Any]]] = {}
    for domain, name in (("A", name_A), ("B", name_B)):
        set_name, _, class_name = name.partition(":")
        builder = _open_set(set_name, f"data.name_{domain}", data_dir, say)
        label = _label(builder, class_name, f"data.name_{domain}") if class_name else None
        test = next((split for split in _TEST_SPLITS if split in builder.info.splits), None)
        opened[f"train{domain}"] = _split(builder, set_name, "train", label)
        opened[f"test{domain}"] = _split(builder, set_name, test, label) if test is not None else ()
    return opened


def _open_set(name: str, field: str, data_dir: str | None, say: Callable[[str], None]) -> Any:
    root = tfds_store.root(data_dir)
    try:
        with tfds_store.quiet():
            builder = tfds.builder(name, data_dir=str(root), file_format="array_record")
    except Exception as error:  # of an unknown set, config or version, each its own
        near = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), 3)
        meant = f"; did you mean {' or '.join(near)}" if near else ""
        raise UserError(f"{field} is {name!r}, which TFDS does not have ({_first_line(error)}){meant}") from error
    if not builder.data_path.exists():
        _prepare(builder, name, root, say)
    if "image" not in builder.info.features:
        raise UserError(
            f"{field} is {name!r}, but that set has no feature `image` (it has {', '.join(builder.info.features)}): "
            "name a set of images"
        )
    if "train" not in builder.info.splits:
        raise UserError(
            f"{field} is {name!r}, but that set has no split train (it has {', '.join(builder.info.splits)}): name "
            "another"
        )
    return builder


def _prepare(builder: Any, name: str, root: Any, say: Callable[[str], None]) -> None:
    by_hand = (
        f"prepare it once where there is a network and TensorFlow, by `tfds build {name} --file_format=array_record "
        f"--data_dir={root}`, or name another"
    )
    unreachable = _unreachable(list(builder.url_infos or {}))
    if unreachable is not None:
        raise UserError(f"{name} is not in {root}, and {unreachable} cannot be reached: {by_hand}")
    say(f"preparing {name} in {root} (once)")
    try:
        builder.download_and_prepare()  # TFDS shows its progress
    except Exception as error:
        # Many of TFDS's own preparations need TensorFlow, and say so in many ways.
        raise UserError(f"{name} cannot be prepared here ({_first_line(error)}): {by_hand}") from error


def _unreachable(urls: Sequence[str]) -> str | None:
    """A host that the set is downloaded from and that does not answer: TFDS itself would try for minutes."""
    for host in sorted({urllib.parse.urlsplit(url).hostname or "" for url in urls} - {""})[:1]:
        try:
            socket.create_connection((host, 443), timeout=_TIMEOUT_SECONDS).close()
        except OSError:
            return host
    return None


def _label(builder: Any, class_name: str, field: str) -> int:
    """The number of a class."""
    features = builder.info.features
    if "label" not in features or not isinstance(features["label"], tfds.features.ClassLabel):
        raise UserError(
            f"{field} names the class {class_name!r}, but {builder.name} has no labels: leave the class out"
        )
    names: list[str] = features["label"].names
    if class_name not in names:
        near = difflib.get_close_matches(class_name, names, 3) or names[:10]
        raise UserError(
            f"{field} names the class {class_name!r}, but {builder.name} has none of that name: take one such as "
            f"{', '.join(near)}"
        )
    return names.index(class_name)


def _split(builder: Any, name: str, split: str, label: int | None) -> LabelledImages:
    try:
        with tfds_store.quiet():
            source = builder.as_data_source(split=split, decoders={"image": tfds_store.skip_decoding()})
        if label is None:
            places: Sequence[int] = range(len(source))
        else:
            places = np.flatnonzero([source[i]["label"] == label for i in range(len(source))]).tolist()
        if len(places):
            source[int(places[0])]
    except Exception as error:  # what TFDS raises for sets that it cannot read has no common type
        raise UserError(
            f"{name} in {builder.data_path} cannot be read ({_first_line(error)}): delete that folder and prepare it "
            "again as array_record"
        ) from error
    if not len(places) and split == "train":
        raise UserError(f"{name} has no training images of that class: name another")
    return LabelledImages(source, places, f"{name}/{split}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
