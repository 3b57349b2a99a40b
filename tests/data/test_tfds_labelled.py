"""Classes of labelled TFDS sets as domains, from sets that TFDS prepares here."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data import images, sources, tfds_labelled
from cyclegan_jax.errors import UserError

CLASSES = ["cat", "dog", "snail"]


def nothing(line: str) -> None:
    pass


class Pets(tfds.core.GeneratorBasedBuilder):
    """Images whose colour is their class and whose number is their place."""

    name = "cyclegan_jax_test_pets"
    VERSION = tfds.core.Version("1.0.0")
    SPLITS: ClassVar[dict[str, int]] = {"train": 8, "test": 5}
    FEATURES: ClassVar[dict[str, Any]] = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "label": tfds.features.ClassLabel(names=CLASSES),
    }

    def _info(self) -> Any:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(self.FEATURES), disable_shuffling=True
        )

    def _split_generators(self, dl_manager: Any) -> Any:
        return {split: self._generate_examples(count) for split, count in self.SPLITS.items()}

    def _generate_examples(self, count: int) -> Iterator[Any]:
        for index in range(count):
            stream = io.BytesIO()
            Image.fromarray(np.full((4, 4, 3), 10 * (index % 2) + index, np.uint8)).save(stream, "PNG")
            stream.seek(0)
            yield index, {"image": stream, "label": CLASSES[index % 2]}


class Plain(Pets):
    """A set without labels, with its test images in the split validation."""

    name = "cyclegan_jax_test_plain"
    SPLITS: ClassVar[dict[str, int]] = {"train": 3, "validation": 2}
    FEATURES: ClassVar[dict[str, Any]] = {"image": Pets.FEATURES["image"]}

    def _generate_examples(self, count: int) -> Iterator[Any]:
        for index, example in super()._generate_examples(count):
            yield index, {"image": example["image"]}


class NoTest(Pets):
    """A set with a single split."""

    name = "cyclegan_jax_test_no_test"
    SPLITS: ClassVar[dict[str, int]] = {"train": 3}


class OnlyTest(Pets):
    """A set without training images."""

    name = "cyclegan_jax_test_only_test"
    SPLITS: ClassVar[dict[str, int]] = {"test": 3}


class Sounds(Pets):
    """A set without images."""

    name = "cyclegan_jax_test_sounds"
    FEATURES: ClassVar[dict[str, Any]] = {"label": Pets.FEATURES["label"]}

    def _generate_examples(self, count: int) -> Iterator[Any]:
        for index in range(count):
            yield index, {"label": CLASSES[0]}


class NeedsTensorFlow(Pets):
    """A set whose preparation fails."""

    name = "cyclegan_jax_test_needs"

    def _split_generators(self, dl_manager: Any) -> Any:
        raise ImportError("Failed importing tensorflow.\nMore words.")


def colors(source: sources.Source) -> list[int]:
    return [int(images.decode(source[i].encoded, 3, "")[0, 0, 0]) for i in range(len(source))]


def test_two_classes_of_one_set(tmp_path: Path) -> None:
    config = DataConfig(source="tfds", dir=str(tmp_path), name_A=f"{Pets.name}:cat", name_B=f"{Pets.name}:dog")
    said: list[str] = []
    opened = sources.open_sources(config, say=said.append)
    assert colors(opened.train_A) == [0, 2, 4, 6]
    assert colors(opened.train_B) == [11, 13, 15, 17]
    assert colors(opened.test_A) == [0, 2, 4]
    assert colors(opened.test_B) == [11, 13]
    assert opened.train_B[1].name == f"{Pets.name}/train/000003"
    assert said == [f"preparing {Pets.name} in {tmp_path} (once)"]


def test_two_sets_one_without_labels_one_without_a_test_split(tmp_path: Path) -> None:
    opened = tfds_labelled.open_labelled(Plain.name, f"{NoTest.name}:cat", str(tmp_path), say=nothing)
    assert {split: len(source) for split, source in opened.items()} == {
        "trainA": 3, "testA": 2, "trainB": 2, "testB": 0,
    }  # fmt: skip
    assert opened["testA"][1]["filename"] == f"{Plain.name}/validation/000001"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "cyclegan_jax_test_petz",
            r"data\.name_A is 'cyclegan_jax_test_petz', which TFDS does not have .*did you mean",
        ),
        (f"{Pets.name}:cta", r"data\.name_A names the class 'cta', .*none of that name: take one such as cat$"),
        (f"{Pets.name}:snail", r"has no training images of that class"),
        (f"{Plain.name}:cat", r"names the class 'cat', but cyclegan_jax_test_plain has no labels: leave the class out"),
        (OnlyTest.name, r"has no split train \(it has test\): name another"),
        (Sounds.name, r"has no feature `image` \(it has label\): name a set of images"),
        (
            NeedsTensorFlow.name,
            r"cannot be prepared here \(Failed importing tensorflow\.\): prepare it once .*`tfds build "
            r"cyclegan_jax_test_needs --file_format=array_record --data_dir=",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tfds_labelled.open_labelled(name, Plain.name, str(tmp_path), say=nothing)


def test_without_a_network_it_fails_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pets, "url_infos", {"https://nobody.invalid/pets.zip": None})
    with pytest.raises(UserError, match=r"is not in .*, and nobody\.invalid cannot be reached: prepare it once where"):
        tfds_labelled.open_labelled(Pets.name, Plain.name, str(tmp_path), say=nothing)


def test_a_damaged_set_is_named(tmp_path: Path) -> None:
    tfds_labelled.open_labelled(Pets.name, Pets.name, str(tmp_path), say=nothing)
    for record in tmp_path.rglob("*array_record*"):
        record.write_bytes(record.read_bytes()[:100])
    with pytest.raises(
        UserError, match=r"cannot be read \(.*\): delete that folder and prepare it again as array_record"
    ):
        tfds_labelled.open_labelled(f"{Pets.name}:cat", Pets.name, str(tmp_path), say=nothing)
