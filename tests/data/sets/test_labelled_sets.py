"""Classes of labelled TFDS sets as domains, from small sets with builders of their own."""

import io
import json
import pickle
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds

from cyclegan_jax.data.dataset import Split
from cyclegan_jax.data.sets import labelled_sets
from cyclegan_jax.data.sets.labelled_sets import open_labelled
from cyclegan_jax.errors import UserError

CLASSES = ["cat", "dog", "ship"]
CATS, DOGS = "cyclegan_tiny:cat", "cyclegan_tiny:dog"


class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Splits whose images are their index, which no decoder accepts; their labels count from `FIRST`, modulo 3."""

    VERSION = tfds.core.Version("1.0.0")
    SIZES: dict[str, int] = {"train": 7, "test": 4}  # noqa: RUF012
    FIRST = 0
    FEATURES: dict[str, Any] = {  # noqa: RUF012
        "image": tfds.features.Image(shape=(4, 4, 3)),
        "label": tfds.features.ClassLabel(names=CLASSES),
        "mask": tfds.features.Image(shape=(4, 4, 1)),
    }

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(self.FEATURES)
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        return {split: self._generate_examples(size) for split, size in self.SIZES.items()}

    def _generate_examples(self, size: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for index in range(size):
            label = (self.FIRST + index) % 3
            example = {"image": io.BytesIO(b"%d" % index), "label": label, "mask": io.BytesIO(b"mask")}
            yield index, {key: value for key, value in example.items() if key in self.FEATURES}


class CycleganTiny(Tiny):
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="plain"), tfds.core.BuilderConfig(name="other")]  # noqa: RUF012


class CycleganOther(Tiny):
    SIZES = {"train": 3, "validation": 2}  # noqa: RUF012
    FIRST = 1


class CycleganTrainOnly(Tiny):
    SIZES = {"train": 3}  # noqa: RUF012


class CycleganNoTrain(Tiny):
    SIZES = {"test": 3}  # noqa: RUF012


class CycleganNoImage(Tiny):
    FEATURES = {"label": Tiny.FEATURES["label"]}  # noqa: RUF012


class CycleganNoLabel(Tiny):
    FEATURES = {"image": Tiny.FEATURES["image"]}  # noqa: RUF012


class CycleganNeedsTensorflow(Tiny):
    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        from tensorflow_datasets.core.utils.lazy_imports_utils import tensorflow

        return {"train": tensorflow.io.gfile.listdir("nowhere")}


class CycleganFar(Tiny):
    url_infos: dict[str, Any] = {}  # noqa: RUF012


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir: Path = tmp_path_factory.mktemp("tfds")
    for name in ("cyclegan_tiny", "cyclegan_other", "cyclegan_train_only"):
        tfds.builder(name, data_dir=data_dir, file_format="array_record").download_and_prepare()
    return data_dir


def contents(split: Split) -> list[tuple[bytes, str]]:
    examples = [split[index] for index in range(len(split))]
    assert [one.name for one in examples] == list(split.names())
    return [(one.encoded, one.name) for one in examples]


def numbered(folder: str, *places: int) -> list[tuple[bytes, str]]:
    return [(b"%d" % place, f"{folder}/{place:06d}") for place in places]


def test_two_classes_of_one_set(kept: Path, capfd: pytest.CaptureFixture[str]) -> None:
    opened = open_labelled(CATS, DOGS, str(kept))
    assert contents(opened.train_A) == numbered("cyclegan_tiny/train", 0, 3, 6)
    assert contents(opened.train_B) == numbered("cyclegan_tiny/train", 1, 4)
    assert contents(opened.test_A) == numbered("cyclegan_tiny/test", 0, 3)
    assert contents(opened.test_B) == numbered("cyclegan_tiny/test", 1)
    assert capfd.readouterr() == ("", "")


def test_two_sets_one_whole_and_with_a_validation_split(kept: Path) -> None:
    opened = open_labelled("cyclegan_tiny/plain:ship", "cyclegan_other", str(kept))
    assert contents(opened.train_A) == numbered("cyclegan_tiny/plain/train", 2, 5)
    assert contents(opened.test_A) == numbered("cyclegan_tiny/plain/test", 2)
    assert contents(opened.train_B) == numbered("cyclegan_other/train", 0, 1, 2)
    assert contents(opened.test_B) == numbered("cyclegan_other/validation", 0, 1)


def test_a_missing_test_split_is_empty(kept: Path) -> None:
    opened = open_labelled("cyclegan_train_only", CATS, str(kept))
    assert len(opened.test_A) == 0
    assert len(opened.train_A) == 3
    assert len(opened.test_B) == 2


def test_a_split_can_be_sent_to_another_process(kept: Path) -> None:
    split = open_labelled(CATS, DOGS, str(kept)).train_A
    assert pickle.loads(pickle.dumps(split))[2] == split[2]


def test_labels_are_read_once(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: dict[Any, Any] = {}
    monkeypatch.setattr(labelled_sets, "_LABELS", labels)
    open_labelled(CATS, DOGS, str(kept))
    assert {split: found.tolist() for (_, split, _), found in labels.items()} == {
        "train": [0, 1, 2, 0, 1, 2, 0], "test": [0, 1, 2, 0],
    }  # fmt: skip
    for found in labels.values():
        found[:] = 2
    assert len(open_labelled("cyclegan_tiny:ship", "cyclegan_other", str(kept)).train_A) == 7


def test_a_set_is_prepared_once_and_logged(
    tmp_path: Path, log_lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    opened = open_labelled("cyclegan_train_only:cat", "cyclegan_train_only:dog", str(tmp_path))
    assert contents(opened.train_B) == numbered("cyclegan_train_only/train", 1)
    folder = tmp_path / "cyclegan_train_only" / "1.0.0"
    assert log_lines == [f"preparing cyclegan_train_only in {folder} (once)"]
    assert capfd.readouterr().out == ""
    assert "array_record" in (folder / "dataset_info.json").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cyclegan_tny", r"TFDS has no data set 'cyclegan_tny': did you mean cyclegan_tiny\?$"),
        ("", r"TFDS has no data set '': give one of its catalog, such as cifar10 or mnist$"),
        (":cat", r"TFDS has no data set ''"),
        ("cyclegan_tiny/othr", r"cyclegan_tiny has no config 'othr': did you mean other\? there are plain, other$"),
        ("cyclegan_tiny:cats", r"cyclegan_tiny has no class 'cats': did you mean cat\? there are cat, dog, ship$"),
        ("cyclegan_no_image", "the set has no image: its features are label; give a set for image classification"),
        ("cyclegan_no_label:cat", "the set has no label: its features are image; give a set for image classification"),
        ("cyclegan_no_train:cat", "there are no such training images: the splits of the set are test$"),
        ("coco", r"TFDS cannot open the set in .* \(ModuleNotFoundError: .*tensorflow.*\): give another$"),
        (
            "cyclegan_needs_tensorflow",
            r"cannot be prepared here \(.*\): prepare it once with `tfds build cyclegan_needs_",
        ),
    ],
)
def test_a_set_or_class_that_does_not_exist_is_refused(kept: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        open_labelled(CATS, name, str(kept))
    assert str(refusal.value).startswith(f"data.name_B is {name!r}, but ")
    assert "\n" not in str(refusal.value)


def test_many_classes_are_not_all_listed() -> None:
    assert labelled_sets._some([str(number) for number in range(100)], "x") == (
        "there are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 90 more"
    )


def test_a_set_with_no_label_may_be_taken_whole(kept: Path) -> None:
    assert len(open_labelled("cyclegan_no_label", CATS, str(kept)).train_A) == 7


def test_the_domains_must_differ(kept: Path) -> None:
    with pytest.raises(UserError, match=r"data\.name_B is 'cyclegan_tiny:cat', but data\.name_A is the same"):
        open_labelled(CATS, CATS, str(kept))


def test_the_error_holds_the_command_to_prepare_it_elsewhere(tmp_path: Path) -> None:
    command = rf"`tfds build cyclegan_needs_tensorflow --file_format=array_record --data_dir={tmp_path}`"
    with pytest.raises(UserError, match=command):
        open_labelled("cyclegan_needs_tensorflow:cat", CATS, str(tmp_path))
    assert not (tmp_path / "cyclegan_needs_tensorflow" / "1.0.0").exists()


def far(monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a set come from a server that is not there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
    info = tfds.download.checksums.UrlInfo(tfds.core.utils.Size(5), "0" * 64, "tiny.zip")
    monkeypatch.setattr(CycleganFar, "url_infos", {f"http://{place}/tiny.zip": info})
    return place


def test_no_network_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, before = far(monkeypatch), time.monotonic()
    with pytest.raises(
        UserError, match=rf"not in {tmp_path} and {place} cannot be reached: .*`tfds build cyclegan_far "
    ):
        open_labelled("cyclegan_far:cat", CATS, str(tmp_path))
    assert time.monotonic() - before < 5


def test_files_that_are_downloaded_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far(monkeypatch)
    (tmp_path / "downloads" / "manual").mkdir(parents=True)
    (tmp_path / "downloads" / "manual" / "tiny.zip").write_bytes(b"")
    assert len(open_labelled("cyclegan_far:cat", "cyclegan_far:dog", str(tmp_path)).train_A) == 3


def test_a_set_prepared_for_tensorflow_is_refused(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "sets")
    description = tmp_path / "sets" / "cyclegan_other" / "1.0.0" / "dataset_info.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"fileFormat": "tfrecord"}))
    message = (
        r"stored in .*cyclegan_other/1\.0\.0 as tfrecord, which needs .* `tfds build cyclegan_other --file_format="
    )
    with pytest.raises(UserError, match=message):
        open_labelled("cyclegan_other", CATS, str(tmp_path / "sets"))


def test_a_damaged_set_is_refused(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "sets")
    (shard,) = (tmp_path / "sets" / "cyclegan_other").glob("**/*validation*")
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(UserError, match=r"the set in .*cyclegan_other/1\.0\.0 is damaged: delete that folder"):
        open_labelled("cyclegan_other", CATS, str(tmp_path / "sets"))


def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot be prepared here \(NotADirectoryError: "):
        open_labelled(CATS, DOGS, str(tmp_path / "file" / "sets"))
