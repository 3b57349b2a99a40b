"""The copy of a run's log at Weights & Biases: the real package, which without a network writes to the disk."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.training import loop, wandb_log
from cyclegan_jax.training.wandb_log import WandbLog
from tests.conftest import tiny_config

needs_wandb = pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a network, without an account, and without the settings of whoever runs the tests."""
    for name, value in {"WANDB_MODE": "offline", "HOME": str(tmp_path), "WANDB_ERROR_REPORTING": "false"}.items():
        monkeypatch.setenv(name, value)
    for name in ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)


def sent(workdir: Path) -> list[list[dict[str, Any]]]:
    """What W&B's own reader finds in the file of each part of a run, in the order in which the parts were made."""
    parts = []
    for folder in sorted((workdir / "wandb").glob("offline-run-*"), key=lambda path: path.stat().st_ctime_ns):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", str(folder), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        parts.append([json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")])
    return parts
