"""The start of the commands: the help, the version and the configs answer without importing JAX."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cyclegan_jax
from cyclegan_jax.cli import main as cli

ROOT = Path(__file__).parents[2]
# The package is found from any folder, as it is where it is installed.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


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


FIRST_LINE = """
import logging, os, resource, sys

class First(logging.Handler):
    def emit(self, record):
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(record.getMessage(), flush=True)
        print(used.ru_utime + used.ru_stime, *({'jax', 'flax', 'orbax'} & set(sys.modules)), flush=True)
        os._exit(0)

logging.getLogger("cyclegan_jax").addHandler(First())
from cyclegan_jax.cli import main
main.main(["train", "--config", "folders", "--data.dir=photos", "--workdir=work"])
"""


def test_a_training_says_what_it_does_within_2_seconds(tmp_path: Path) -> None:
    """Seconds of the processor: those of the clock depend on what else the machine does."""
    command = [sys.executable, "-c", FIRST_LINE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=ENVIRONMENT)
    *_, line, numbers = done.stdout.splitlines()
    assert line.endswith("training in work; Ctrl-C saves and stops")
    seconds, *slow = numbers.split()
    assert not slow
    assert float(seconds) < 2


def test_a_training_without_evaluations_does_not_import_them() -> None:
    code = "import sys, cyclegan_jax.training.loop; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    rare = (
        "cyclegan_jax.evaluation",
        "cyclegan_jax.training.evaluation",
        "grain",
        "tensorboardX",
        "matplotlib",
        "torch",
    )
    assert not {name for name in imported if name.startswith(rare)}


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, line in cli.COMMANDS.items():
        assert f"  {name:15}  {line}" in lines
    assert max(map(len, lines)) <= 100


def test_no_command_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert capsys.readouterr().err.startswith("usage: cyclegan-jax COMMAND")


def test_an_unknown_command_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trian"]) == 2
    printed = capsys.readouterr().err
    assert printed == (
        "error: there is no command trian: choose one of train, translate, import, export, evaluate, compare, "
        "checkpoints, verify, configs, convert-command\n"
    )


def test_the_version_of_the_module_run_by_python() -> None:
    command = [sys.executable, "-m", "cyclegan_jax", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"cyclegan-jax {cyclegan_jax.__version__}\n"


def test_train_has_its_own_name_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert "usage: cyclegan-jax train" in capsys.readouterr().out
