"""The start of the commands: the help, the version and the configs answer without importing JAX."""

import subprocess
import sys

import pytest

import cyclegan_jax
from cyclegan_jax.cli import main as cli


def modules_after(statement: str) -> set[str]:
    """Which of the slow libraries a new process has imported after `statement`."""
    program = f"""
import sys
try:
    {statement}
except SystemExit as exit_:
    assert not exit_.code, exit_.code
print("modules:", *({{'jax', 'flax', 'numpy', 'tyro'}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["configs"], ["configs", "streets"], ["configs", "--help"]]
)
def test_light_commands_import_no_slow_library(args: list[str]) -> None:
    assert modules_after(f"from cyclegan_jax.cli.main import main; assert main({args}) == 0") == set()


@pytest.mark.parametrize(
    "args", [["train"], ["train", "--config=streets"], ["translate"], ["evaluate"], ["checkpoints"]]
)
def test_the_help_of_a_command_imports_no_jax(args: list[str]) -> None:
    found = modules_after(f"from cyclegan_jax.cli.main import main; assert main({[*args, '--help']}) == 0")
    assert found <= {"numpy", "tyro"}


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, line in cli.COMMANDS.items():
        assert f"  {name:11}  {line}" in lines
    assert max(map(len, lines)) <= 100


def test_no_command_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert capsys.readouterr().err.startswith("usage: cyclegan-jax COMMAND")


def test_an_unknown_command_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trian"]) == 2
    printed = capsys.readouterr().err
    assert printed == (
        "error: there is no command trian: choose one of train, translate, export, evaluate, compare, checkpoints, "
        "verify, configs\n"
    )


def test_the_version_of_the_module_run_by_python() -> None:
    command = [sys.executable, "-m", "cyclegan_jax", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"cyclegan-jax {cyclegan_jax.__version__}\n"


def test_train_has_its_own_name_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert "usage: cyclegan-jax train" in capsys.readouterr().out
