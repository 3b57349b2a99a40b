"""The copy of a run's log at Weights & Biases: the real package, which without a network writes to the disk."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.training import loop, wandb_log
from cyclegan_jax.training.progress import Progress
from cyclegan_jax.training.run_files import RunFiles
from cyclegan_jax.training.wandb_log import WandbLog
from tests.conftest import tiny_config

needs_wandb = pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Without a network, without an account, and without the settings of whoever runs the tests."""
    for name, value in {"WANDB_MODE": "offline", "HOME": str(tmp_path), "WANDB_ERROR_REPORTING": "false"}.items():
        monkeypatch.setenv(name, value)
    for name in ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()  # it reads the variables once


def sent(workdir: Path) -> list[list[dict[str, Any]]]:
    """What W&B's own reader finds in the file of each part of a run, in the order in which the parts were made."""
    from wandb.util import get_core_path

    parts = []
    for file in sorted((workdir / "wandb").glob("offline-run-*/*.wandb"), key=lambda path: path.parent.name):
        command = [get_core_path(), "leet", "inspect", "--no-observability", "--json", "--run-file", file, file.parent]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        parts.append([json.loads(line) for line in done.stdout.splitlines()])
    return parts


def records(part: list[dict[str, Any]], kind: str) -> list[Any]:
    return [record[kind] for record in part if record["type"] == kind]


@needs_wandb
def test_a_resumed_run_continues_the_same_one(tmp_path: Path) -> None:
    """With steps that go back, as after a kill: W&B keeps all of them, since they are not its own counter."""
    workdir = tmp_path / "photos"
    workdir.mkdir()
    log = WandbLog(workdir, tiny_config(wandb="team/cyclegan", seed=1))
    for step in (1, 2, 3, 2):
        log.log({"step": step, "loss/cycle_A": 1 / step})
    log.close()
    with RunFiles(workdir, tiny_config(wandb="team/cyclegan", seed=2), 2, last_step=3) as files:
        progress = Progress(3, 1, 5)
        progress.done(3, {"generators": 1.0})
        files.log_metrics(3, {"generators": 1.0}, progress)
        files.log_scores(3, {"reconstruction_A/l1": 0.25})
        files.write_samples(3, np.zeros((8, 8, 3), np.uint8))
    first, second = sent(workdir)
    (run,), (again,) = records(first, "run"), records(second, "run")
    assert run["run_id"] == again["run_id"] == (workdir / wandb_log.ID_FILE).read_text().strip()
    assert (run["entity"], run["project"], run["display_name"]) == ("team", "cyclegan", "photos")
    assert again["resume"]
    rows = [record["item"] for record in records(first, "history")]
    assert [(row["_step"], row["step"], row["loss/cycle_A"]) for row in rows] == [
        (0, 1, 1.0), (1, 2, 0.5), (2, 3, pytest.approx(1 / 3)), (3, 2, 0.5)
    ]  # fmt: skip
    rows = [record["item"] for record in records(second, "history")]
    assert [row["step"] for row in rows] == [3, 3, 3]
    assert rows[0]["loss/generators"] == 1.0
    assert rows[1]["eval/reconstruction_A/l1"] == 0.25
    assert rows[2]["samples._type"] == "image-file"
    assert {"glob_name": "*", "step_metric": "step"}.items() <= records(first, "metric")[-1].items()
    assert [config["update"]["seed"] for config in (records(first, "config")[-1], records(second, "config")[-1])] == [
        1,
        2,
    ]


@needs_wandb
def test_a_failure_stops_wandb_and_not_the_training(tmp_path: Path, log_lines: list[str]) -> None:
    log = WandbLog(tmp_path, tiny_config(wandb="cyclegan"))
    assert log_lines[0].startswith(f"Weights & Biases: {tmp_path}/wandb/offline-run-")
    assert log._run is not None
    log._run.finish()  # as if it had ended behind our back
    for step in (1, 2):
        log.log({"step": step})
    log.log_picture(2, np.zeros((8, 8, 3), np.uint8))
    log.close()
    (line,) = log_lines[1:]
    assert line.startswith("Weights & Biases gets no more of this run (Run ")
    assert line.endswith("; the training continues")


@needs_wandb
def test_without_an_account_the_training_goes_on(
    tmp_path: Path, log_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing asks for an API key, for which a training on a terminal would wait."""
    monkeypatch.setenv("WANDB_MODE", "online")
    log = WandbLog(tmp_path, tiny_config(wandb="cyclegan"))
    log.log({"step": 1})
    log.close()
    (line,) = log_lines
    assert "(No API key configured. Use `wandb login` to log in.)" in line


def test_without_wandb_nothing_is_imported_or_written(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cyclegan_jax.training.wandb_log import WandbLog;"
        "from cyclegan_jax.config import TrainConfig; log = WandbLog(Path(sys.argv[1]), TrainConfig());"
        "log.log({'step': 1}); log.close(); print('wandb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_reported_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--wandb needs the package wandb.*pip install 'cyclegan-jax\[wandb\]'"):
        loop.train(tiny_config(wandb="cyclegan"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("project", ["cyclegan", "my project", "team/cyclegan", "x" * 128])
def test_a_project_may_have_a_team(project: str) -> None:
    assert tiny_config(wandb=project).wandb == project


@pytest.mark.parametrize("project", ["", "True", "a/b/c", "a#b", "a:b", "x" * 129, "a\nb", "/a", "a/"])
def test_what_is_no_project_is_refused(project: str) -> None:
    with pytest.raises(UserError, match=r"wandb is .*but it must be the name of a project, such as cyclegan"):
        tiny_config(wandb=project)
