import importlib
import io
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.data.streets import dataset as streets
from cyclegan_jax.data.streets.scene import draw_labels, draw_scene
from cyclegan_jax.errors import UserError

SMALL = {"train": 3, "test": 2, "size": 32}
FOLDER = "streets/32px_3_2/1.0.0"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir: Path = tmp_path_factory.mktemp("tfds")
    streets.open_streets(str(data_dir), **SMALL)
    return data_dir


def decoded(example: dict[str, Any]) -> np.ndarray:
    assert isinstance(example["image"], bytes)
    with Image.open(io.BytesIO(example["image"])) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        return np.asarray(image)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True)


def test_splits_have_the_numbers_asked_for_in_the_tfds_layout(kept):
    opened = streets.open_streets(str(kept), **SMALL)
    assert {split: len(examples) for split, examples in opened.items()} == {
        "trainA": 3, "trainB": 3, "testA": 2, "testB": 2,
    }  # fmt: skip
    assert (kept / FOLDER / "dataset_info.json").is_file()
    assert streets.Streets(data_dir=str(kept)).info.full_name == "streets/default/1.0.0"


def test_examples_are_the_drawn_scenes_in_order(kept):
    opened = streets.open_streets(str(kept), **SMALL)
    for index, example in enumerate(opened["trainA"]):
        assert example["filename"] == f"street_{index:04d}.png"
        np.testing.assert_array_equal(decoded(example), draw_labels(index, 32))
    for index, example in enumerate(opened["trainB"]):
        np.testing.assert_array_equal(decoded(example), draw_scene(100_000 + index, 32).photo)


def test_the_test_splits_are_pairs_and_the_training_splits_are_not(kept):
    opened = streets.open_streets(str(kept), **SMALL)
    for index in range(SMALL["test"]):
        a, b, scene = opened["testA"][index], opened["testB"][index], draw_scene(200_000 + index, 32)
        assert a["filename"] == b["filename"]
        np.testing.assert_array_equal(decoded(a), scene.labels)
        np.testing.assert_array_equal(decoded(b), scene.photo)
    photos = {decoded(example).tobytes() for example in opened["trainB"]}
    assert not photos & {draw_scene(index, 32).photo.tobytes() for index in range(SMALL["train"])}


def test_a_split_is_a_sequence_that_can_be_sent_to_another_process(kept):
    examples = streets.open_streets(str(kept), **SMALL)["trainA"]
    assert examples[-1] == examples[2] == examples[1:][1] == pickle.loads(pickle.dumps(examples))[2]
    with pytest.raises(IndexError, match="index 3 of a split of 3"):
        examples[3]


def test_it_is_drawn_once_with_one_line_said(tmp_path, monkeypatch, capfd):
    streets.open_streets(str(tmp_path), **SMALL)
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == f"Drawing the street scenes into {tmp_path / FOLDER} (once)\n"

    def never(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(streets, "draw_labels", never)
    monkeypatch.setattr(streets, "draw_scene", never)
    streets.open_streets(str(tmp_path), **SMALL)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(AssertionError, match="drawn again"):
        streets.open_streets(str(tmp_path), train=4, test=2, size=32)


def test_the_home_directory_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    streets.open_streets("~/sets", **SMALL)
    assert (tmp_path / "sets" / FOLDER).is_dir()
    assert not (tmp_path / "~").exists()


def test_the_module_can_be_loaded_again():
    importlib.reload(streets)


KILLED = """
import os, signal, sys
from cyclegan_jax.data import streets
draw = streets.draw_scene
def die(seed, size):
    if seed == 100_002:
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(seed, size)
streets.draw_scene = die
streets.open_streets(sys.argv[1], train=3, test=2, size=32)
"""
OPENED = """
import sys
from cyclegan_jax.data.streets import open_streets
print({split: len(examples) for split, examples in open_streets(sys.argv[1], train=3, test=2, size=32).items()})
print("tensorflow" in sys.modules)
"""


def test_a_killed_preparation_leaves_nothing_that_looks_prepared(tmp_path):
    killed = run(KILLED, str(tmp_path))
    assert killed.returncode == -9, killed.stderr
    assert list((tmp_path / FOLDER).parent.glob("incomplete.*")), "it was killed too early to show anything"
    assert not (tmp_path / FOLDER).exists()
    again = run(OPENED, str(tmp_path))
    assert again.stdout.splitlines() == ["{'trainA': 3, 'trainB': 3, 'testA': 2, 'testB': 2}", "False"], again.stderr
    assert again.stderr.count("\n") == 1


def test_two_preparations_at_the_same_time_both_end_well(tmp_path, monkeypatch):
    together, draw, found = threading.Barrier(2, timeout=60), draw_labels, []

    def slow(seed: int, size: int) -> np.ndarray:
        if seed == 0:
            together.wait()
        return draw(seed, size)

    monkeypatch.setattr(streets, "draw_labels", slow)
    threads = [
        threading.Thread(target=lambda: found.append(streets.open_streets(str(tmp_path), **SMALL))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(opened["trainA"]) for opened in found] == [3, 3]
    assert [path.name for path in (tmp_path / FOLDER).parent.iterdir()] == ["1.0.0"]


@pytest.mark.parametrize(("name", "value", "least"), [("train", 0, 1), ("test", -1, 1), ("size", 15, 16)])
def test_a_number_that_is_too_small_is_refused(tmp_path, name, value, least):
    with pytest.raises(UserError, match=f"^{name} is {value}, but the street scenes need at least {least}$"):
        streets.open_streets(str(tmp_path), **{**SMALL, name: value})
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot be kept in data_dir '.*file/sets'.*: name another$"):
        streets.open_streets(str(tmp_path / "file" / "sets"), **SMALL)


@pytest.mark.parametrize("damage", ["missing shard", "half a shard", "no description", "garbled description"])
def test_a_damaged_data_set_is_refused(tmp_path, damage):
    streets.open_streets(str(tmp_path), **SMALL)
    (shard,) = (tmp_path / FOLDER).glob("*testB*")
    description = tmp_path / FOLDER / "dataset_info.json"
    if damage == "missing shard":
        shard.unlink()
    elif damage == "half a shard":
        shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    elif damage == "no description":
        description.unlink()
    else:
        description.write_text("{")
    with pytest.raises(UserError, match=f"{FOLDER} are damaged: delete that folder to draw them again$"):
        streets.open_streets(str(tmp_path), **SMALL)
