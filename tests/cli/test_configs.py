"""`cyclegan-jax configs`: the list, one config, and its copy."""

from pathlib import Path

import pytest

from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.config_file import load_config_file

ROOT = Path(__file__).parents[2]
STREETS = ROOT / "configs" / "streets.py"


def test_each_config_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["configs"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in lines] == sorted(path.stem for path in (ROOT / "configs").glob("*.py"))
    for name, line in lines:
        assert line == (ROOT / "configs" / f"{name}.py").read_text().splitlines()[0].strip('"')


def test_a_config_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["configs", "streets"]) == 0
    assert capsys.readouterr().out == STREETS.read_text()


def test_a_copy_is_the_same_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["configs", "streets", "--out", "mine.py"]) == 0
    assert capsys.readouterr().out == "wrote mine.py; edit it, then train it: cyclegan-jax train --config mine.py\n"
    assert load_config_file(Path("mine.py")) == load_config_file(Path("streets"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["streets", "--out=there.py"], "there.py exists and is not overwritten: give --out another name"),
        (["streets", "--out=nowhere/mine.py"], "nowhere/mine.py cannot be written (No such file or directory)"),
        (["streets", "--out=mine.txt"], "--out is mine.txt, but a config is a Python file"),
        (["street"], "there is no config of the name street: choose one of apple2orange, cezanne2photo"),
        (["--out=mine.py"], "--out mine.py needs the name of a config: one of apple2orange"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.py").write_text("mine")
    assert cli.main(["configs", *args]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {message}")
    assert printed.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.py"]
    assert Path("there.py").read_text() == "mine"
