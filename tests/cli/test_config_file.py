"""Config files: what a broken one reports, and that those of the repository load."""

from pathlib import Path

import pytest

from cyclegan_jax.cli.config_file import find_config, load_config_file, packaged_configs, summary
from cyclegan_jax.errors import UserError

ROOT = Path(__file__).parents[2]


def test_the_packaged_configs_of_a_checkout() -> None:
    assert list(packaged_configs().values()) == sorted((ROOT / "configs").glob("*.py"))


@pytest.mark.parametrize("name", packaged_configs())
def test_every_packaged_config_loads(name: str) -> None:
    assert load_config_file(Path(name)) == load_config_file(ROOT / "configs" / f"{name}.py")
    assert summary(packaged_configs()[name])


def test_a_file_wins_over_a_packaged_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(Path("streets")) == ROOT / "configs" / "streets.py"
    Path("streets").write_text("")
    assert find_config(Path("streets")) == Path("streets")


def test_a_config_without_a_docstring_has_no_summary(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def get_config(): pass")
    assert summary(path) == ""


def test_cityscapes_is_the_papers_experiment() -> None:
    config = load_config_file(ROOT / "configs" / "cityscapes.py")
    assert (config.data.image_size, config.data.resolved_load_size, config.generator.blocks) == (128, (143, 143), 6)
    assert (config.loss.identity_weight, config.pool_size, config.batch_size) == (0.0, 50, 1)
    assert (config.optimizer.constant_epochs, config.optimizer.decay_epochs) == (100, 100)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no config file"),
        ("def other(): pass", "has no function get_config()"),
        ("def get_config(): return 3", "returns an object of type int, but it must return a TrainConfig"),
        ("import nothing_of_this_name", "raises ModuleNotFoundError"),
        ("import os; os.nothing", "raises AttributeError: module 'os' has no attribute 'nothing'"),
        ("def get_config(): 1 / 0", "raises ZeroDivisionError"),
        ("def get_config(): None.nothing", "raises AttributeError"),
        ("def get_config(:", "raises SyntaxError"),
        (
            "from cyclegan_jax.config import TrainConfig\ndef get_config(): return TrainConfig(batch_size=0)",
            "is not valid: batch_size is 0",
        ),
    ],
)
def test_a_broken_config_file(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "experiment.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError) as error:
        load_config_file(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_a_config_file_that_is_not_python(tmp_path: Path) -> None:
    path = tmp_path / "experiment.txt"
    path.write_text("")
    with pytest.raises(UserError, match=r"must end in \.py"):
        load_config_file(path)
