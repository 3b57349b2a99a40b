"""The embedded data set as it is stored and opened."""

import importlib
import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.data.dataset import Example
from cyclegan_jax.data.streets import streets_set as streets
from cyclegan_jax.data.streets.scene import draw_labels, draw_scene
from cyclegan_jax.errors import UserError
from tests.helpers.examples import by_split, counts

SMALL = {"train": 3, "test": 2, "size": 32}
FOLDER = "streets/32px_3_2/1.0.0"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir: Path = tmp_path_factory.mktemp("tfds")
    streets.open_streets(str(data_dir), **SMALL)
    return data_dir


def decoded(example: Example) -> np.ndarray:
    with Image.open(io.BytesIO(example.encoded)) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        return np.asarray(image)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True)


def test_splits_have_the_numbers_asked_for_in_the_tfds_layout(kept: Path) -> None:
    opened = streets.open_streets(str(kept), **SMALL)
    assert counts(opened) == {
        "trainA": 3, "trainB": 3, "testA": 2, "testB": 2,
    }  # fmt: skip
    assert (kept / FOLDER / "dataset_info.json").is_file()
    assert streets.Streets(data_dir=str(kept)).info.full_name == "streets/default/1.0.0"


def test_examples_are_the_drawn_scenes_in_order(kept: Path) -> None:
    opened = streets.open_streets(str(kept), **SMALL)
    for index, example in enumerate(by_split(opened)["trainA"]):
        assert example.name == f"street_{index:04d}.png"
        np.testing.assert_array_equal(decoded(example), draw_labels(index, 32))
    for index, example in enumerate(by_split(opened)["trainB"]):
        np.testing.assert_array_equal(decoded(example), draw_scene(100_000 + index, 32).photo)


def test_only_the_test_splits_are_pairs(kept: Path) -> None:
    opened = streets.open_streets(str(kept), **SMALL)
    for index in range(SMALL["test"]):
        a, b, scene = opened.test_A[index], opened.test_B[index], draw_scene(200_000 + index, 32)
        assert a.name == b.name
        np.testing.assert_array_equal(decoded(a), scene.labels)
        np.testing.assert_array_equal(decoded(b), scene.photo)
    photos = {decoded(example).tobytes() for example in by_split(opened)["trainB"]}
    assert not photos & {draw_scene(index, 32).photo.tobytes() for index in range(SMALL["train"])}


def test_a_split_can_be_sent_to_another_process(kept: Path) -> None:
    split = streets.open_streets(str(kept), **SMALL).train_A
    assert pickle.loads(pickle.dumps(split))[2] == split[2]


def test_it_is_drawn_once_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    streets.open_streets(str(tmp_path), **SMALL)
    assert log_lines == [f"drawing the street scenes in {tmp_path / FOLDER} (once)"]

    def never(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(streets, "draw_labels", never)
    monkeypatch.setattr(streets, "draw_scene", never)
    streets.open_streets(str(tmp_path), **SMALL)
    assert len(log_lines) == 1
    assert capfd.readouterr() == ("", "")
    with pytest.raises(AssertionError, match="drawn again"):
        streets.open_streets(str(tmp_path), train=4, test=2, size=32)


def test_the_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    streets.open_streets("~/sets", **SMALL)
    assert (tmp_path / "sets" / FOLDER).is_dir()
    assert not (tmp_path / "~").exists()


def test_the_module_can_be_loaded_again() -> None:
    importlib.reload(streets)


KILLED = """
import os, signal, sys
from cyclegan_jax.data.streets import streets_set as streets
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
from cyclegan_jax.data.streets.streets_set import open_streets
opened = open_streets(sys.argv[1], train=3, test=2, size=32)
print([len(split) for split in (opened.train_A, opened.train_B, opened.test_A, opened.test_B)])
print("tensorflow" in sys.modules)
"""


def test_a_killed_preparation_leaves_no_finished_set(tmp_path: Path) -> None:
    killed = run(KILLED, str(tmp_path))
    assert killed.returncode == -9, killed.stderr
    assert list((tmp_path / FOLDER).parent.glob("incomplete.*")), "it was killed too early to show anything"
    assert not (tmp_path / FOLDER).exists()
    again = run(OPENED, str(tmp_path))
    assert again.stdout.splitlines() == ["[3, 3, 2, 2]", "False"], again.stderr
    assert again.stderr == ""
    assert [path.name for path in (tmp_path / FOLDER).parent.iterdir()] == ["1.0.0"]


COUNTED = """
import sys, time
from cyclegan_jax.data.streets import streets_set as streets
draw, drawn = streets.draw_labels, []
def count(seed, size):
    drawn.append(seed)
    time.sleep(0.1)
    return draw(seed, size)
streets.draw_labels = count
print("ready", flush=True)
sys.stdin.read(1)
opened = streets.open_streets(sys.argv[1], train=3, test=2, size=32)
print(len(opened.train_A), len(drawn))
"""


def test_of_several_preparations_at_once_one_draws(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNTED, str(tmp_path)]
    together = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in together:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    ended = []
    for process in together:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
    for process in together:
        ended.append(process.communicate(timeout=60))
    assert sorted(out for out, _ in ended) == ["3 0\n", "3 0\n", "3 5\n"], ended
    assert [path.name for path in (tmp_path / FOLDER).parent.iterdir()] == ["1.0.0"]


@pytest.mark.parametrize(("name", "value", "least"), [("train", 0, 1), ("test", -1, 1), ("size", 15, 16)])
def test_a_number_that_is_too_small_is_refused(tmp_path: Path, name: str, value: int, least: int) -> None:
    with pytest.raises(UserError, match=f"^{name} is {value}, but the street scenes need at least {least}$"):
        streets.open_streets(str(tmp_path), **{**SMALL, name: value})
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot be stored in data_dir '.*file/sets'.*: give another$"):
        streets.open_streets(str(tmp_path / "file" / "sets"), **SMALL)


@pytest.mark.parametrize("damage", ["missing shard", "half a shard", "no description", "garbled description"])
def test_a_damaged_data_set_is_refused(tmp_path: Path, damage: str) -> None:
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
