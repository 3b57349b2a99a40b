"""Malformed command lines: each ends with status 2 and one sentence that names the flag, never with a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cyclegan_jax.cli.exit_status import MISTAKE
from tests.faults import command_lines, processes
from tests.faults.command_lines import Case


def outcomes(cases: list[Case], folder: Path) -> list[dict[str, object]]:
    """Run all cases in one process in an empty folder."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.faults.command_lines"],
        input=json.dumps([case.args for case in cases]).encode(),
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(processes.ROOT), "JAX_PLATFORMS": "cpu", "COLUMNS": "80"},
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    return list(json.loads(run.stdout))


def wrong(case: Case, found: dict[str, object]) -> str | None:
    """What is wrong with the end of a malformed command line, or None."""
    said = str(found["said"])
    if found["status"] != MISTAKE:
        return f"status {found['status']}"
    if "Traceback" in said or not said.startswith("error: ") or said.count("\n") != 1 or len(said) > 700:
        return "not one sentence"
    if not any(name in said or name.replace("_", "-") in said for name in case.named):
        return f"none of {case.named} is named"
    return None


def check(cases: list[Case], folder: Path) -> None:
    pairs = list(zip(cases, outcomes(cases, folder), strict=True))
    problems = [(problem, case.args, found["said"]) for case, found in pairs if (problem := wrong(case, found))]
    text = "\n".join(f"{problem}: {str(args)[:300]}\n    {str(said)[-600:]}" for problem, args, said in problems)
    assert not problems, f"{len(problems)} of {len(cases)}\n{text}"
    assert list(folder.iterdir()) == []


def test_a_hundred_malformed_command_lines(tmp_path: Path) -> None:
    check(command_lines.cases(0, 100), tmp_path)


@pytest.mark.slow
def test_four_hundred_malformed_command_lines(tmp_path: Path) -> None:
    check(command_lines.cases(1, 400), tmp_path)


def test_a_wrong_end_of_a_command_is_recognised() -> None:
    """The control: each of the checks above can fail."""
    case, good = Case([], ["steps"]), {"status": 2, "said": "error: --steps is 'x', but it must be an integer\n"}
    assert wrong(case, good) is None
    for other in ({"status": 0}, {"status": "traceback"}, {"said": "error: it is wrong\n"}, {"said": "usage\nsteps\n"}):
        assert wrong(case, {**good, **other}) is not None
