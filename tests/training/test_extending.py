"""The examples of docs/extending.md, run; and the sentences for mistakes in a user's own code."""

import dataclasses
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import cyclegan_jax
from cyclegan_jax.checkpoints import metrics_file
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig, LossConfig, TrainConfig
from cyclegan_jax.data.fingerprint import fingerprint
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.errors import UserError
from cyclegan_jax.objective import Generated, extra_term, generator_objective
from cyclegan_jax.user_functions import check_allowed
from tests.conftest import tiny_config

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
EXAMPLES = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the examples, as `my_code.py`, and of a table of six images."""
    (tmp_path / "my_code.py").write_text(EXAMPLES)
    rows = ["split,path"]
    for index, split in enumerate(("trainA", "trainA", "trainB", "trainB", "testA", "testB")):
        path = tmp_path / f"{index}.png"
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (28, 28, 3), dtype=np.uint8)).save(path)
        rows.append(f"{split},{path}")
    (tmp_path / "images.csv").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("my_code", "wrong_code"):
        sys.modules.pop(name, None)


class Heard(cyclegan_jax.Callback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, Mapping[str, float]]] = []
        self.drawn: list[tuple[int, Path]] = []
        self.scored: list[tuple[int, Mapping[str, float]]] = []

    def on_log(self, step: int, values: Mapping[str, float]) -> None:
        self.logged.append((step, values))

    def on_sample(self, step: int, path: Path) -> None:
        self.drawn.append((step, path))

    def on_evaluation(self, step: int, scores: Mapping[str, float]) -> None:
        self.scored.append((step, scores))


def config_of(code: Path, **changes: Any) -> TrainConfig:
    base = tiny_config()
    return tiny_config(
        data=dataclasses.replace(base.data, source="my_code:dataset", dir=str(code / "images.csv")),
        loss=LossConfig(extra="my_code:smooth", extra_weight=0.5),
        steps=2,
        log_every=1,
        eval_every=2,
        **changes,
    )


def test_the_examples_train(code: Path) -> None:
    heard = Heard()
    cyclegan_jax.train(config_of(code), code / "run", callbacks=[heard])
    lines = [line for line in metrics_file.read_lines(code / "run" / "metrics.jsonl") if "loss/extra" in line]
    assert [line["step"] for line in lines] == [1, 2]
    assert all(line["loss/extra"] > 0 for line in lines)
    assert [(step, values["loss/extra"]) for step, values in heard.logged] == [
        (1, lines[0]["loss/extra"]),
        (2, lines[1]["loss/extra"]),
    ]
    assert [step for step, _ in heard.drawn] == [0, 2]
    assert all(path.exists() for _, path in heard.drawn)
    ((step, scores),) = heard.scored
    assert step == 2 and "reconstruction_A/l1" in scores


def test_the_extra_term_is_added_with_its_weight(code: Path) -> None:
    rng = np.random.default_rng(0)
    images = [jnp.asarray(rng.uniform(-1, 1, (2, 8, 8, 3)), jnp.float32) for _ in range(6)]
    fake_A, fake_B, cycled_A, cycled_B, real_A, real_B = images
    generated = Generated(fake_A, fake_B, cycled_A, cycled_B, None, None)
    scores = jnp.zeros((2, 2, 2, 1))
    config = LossConfig(extra="my_code:smooth", extra_weight=0.5, domains="mean")
    plain, _ = generator_objective(generated, real_A, real_B, scores, scores, config)
    total, terms = generator_objective(generated, real_A, real_B, scores, scores, config, extra_term(config))
    expected = sum(float(np.abs(np.diff(np.asarray(fake), axis=axis)).mean()) for fake in images[:2] for axis in (1, 2))
    assert float(terms["extra"]) == pytest.approx(expected, rel=1e-6)
    assert float(total - plain) == pytest.approx(0.5 * expected, rel=1e-5)


WRONG = """
from cyclegan_jax.data.dataset import Dataset, Example, MemorySplit

def raises(*_):
    return 1 // 0

def nothing(*_):
    return None

def an_image(generated, real_A, real_B):
    return real_A

def empty(config):
    return Dataset(MemorySplit(), MemorySplit())

class Broken:
    def __len__(self):
        return 3
    def __getitem__(self, index):
        raise KeyError("no such row")
    def names(self):
        return ["a", "b", "c"]

def broken(config):
    return Dataset(Broken(), Broken())

class Arrays(Broken):
    def __getitem__(self, index):
        return Example([1, 2], "a")

def arrays(config):
    return Dataset(Arrays(), Arrays())

class InLibrary(Broken):
    def __getitem__(self, index):
        from pathlib import Path
        return Example(Path("nowhere").read_bytes(), "a")

def in_library(config):
    return Dataset(InLibrary(), InLibrary())

def lists(config):
    return Dataset(["a.png"], ["b.png"])
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "raises",
            r"the function wrong_code:raises raised ZeroDivisionError: .* at .*wrong_code\.py, line 5: correct it",
        ),
        ("nothing", r"the function wrong_code:nothing returned NoneType, but it must return a .*Dataset"),
        (
            "lists",
            r"train_A of the data set that wrong_code:lists returned is of type list, but a split needs a length",
        ),
        ("empty", r"train_A of the data set that wrong_code:empty returned has no images"),
        ("missing", r"data\.source is 'wrong_code:missing', but wrong_code has no function missing"),
    ],
)
def test_mistakes_in_a_data_set(code: Path, name: str, message: str) -> None:
    (code / "wrong_code.py").write_text(WRONG)
    with pytest.raises(UserError, match=message):
        open_dataset(DataConfig(source=f"wrong_code:{name}"))


def test_a_mistake_while_an_image_is_read(code: Path) -> None:
    (code / "wrong_code.py").write_text(WRONG)
    data = open_dataset(DataConfig(source="wrong_code:broken"))
    with pytest.raises(
        UserError, match=r"wrong_code:broken raised KeyError: 'no such row' at .*wrong_code\.py, line 20"
    ):
        data.train_A[0]
    with pytest.raises(UserError, match=r"image 1 of a split of wrong_code:arrays is no .*Example of bytes and a name"):
        open_dataset(DataConfig(source="wrong_code:arrays")).train_A[1]
    # The user's line, and not that of the library below it.
    with pytest.raises(UserError, match=r"FileNotFoundError: .* at .*wrong_code\.py, line 37: correct it"):
        open_dataset(DataConfig(source="wrong_code:in_library")).train_A[0]
    # Other files of the same number are noticed when a run resumes.
    assert fingerprint(data.train_A).keys() == {"names", "files"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", r"wrong_code:raises raised ZeroDivisionError"),
        ("nothing", r"wrong_code:nothing returned None, but loss\.extra must be a floating-point scalar"),
        ("an_image", r"returned an array of shape \(2, 8, 8, 3\) and float32, but loss\.extra must be"),
    ],
)
def test_mistakes_in_a_term_of_the_loss(code: Path, name: str, message: str) -> None:
    (code / "wrong_code.py").write_text(WRONG)
    term = extra_term(LossConfig(extra=f"wrong_code:{name}"))
    images = jnp.zeros((2, 8, 8, 3))
    assert term is not None
    with pytest.raises(UserError, match=message):
        term(Generated(images, images, images, images, None, None), images, images)


def test_code_that_a_run_names_needs_permission(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run may come from somebody else: what scores it imports nothing unasked."""
    cyclegan_jax.train(dataclasses.replace(config_of(code), steps=1, eval_every=0), code / "run")
    sys.modules.pop("my_code")
    for command in ("evaluate", "verify"):
        assert cli.main([command, "--run", str(code / "run")]) == 2
    evaluating, _ = capsys.readouterr().err.splitlines()
    assert evaluating.startswith(
        "error: data.source of the run is my_code:dataset, which would be imported and run: add"
    )
    assert "my_code" not in sys.modules
    assert cli.main(["evaluate", "--run", str(code / "run"), "--features=none", "--allow_code"]) == 0
    with pytest.raises(UserError, match=r"loss\.extra of the run is a:b, which would be imported"):
        check_allowed("a:b", "loss.extra", allow_code=False)


def test_a_term_that_is_not_there_is_noticed_before_anything_is_written(code: Path) -> None:
    config = dataclasses.replace(config_of(code), loss=LossConfig(extra="my_code:rough"))
    with pytest.raises(UserError, match=r"loss\.extra is 'my_code:rough', but my_code has no function rough"):
        cyclegan_jax.train(config, code / "run")
    assert not (code / "run").exists()
    with pytest.raises(UserError, match=r"loss\.extra is 'rough', but it must be a function as module:function"):
        LossConfig(extra="rough")


def test_a_source_that_is_neither_known_nor_a_function() -> None:
    with pytest.raises(UserError, match=r"data\.source is 'zip', but it must be one of streets, .*, or a function as"):
        DataConfig(source="zip")
