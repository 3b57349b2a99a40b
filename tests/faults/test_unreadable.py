"""Paths that cannot be read or written: each command ends with one sentence, the right status, and nothing written."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli.config_file import load_config_file
from tests.faults import unreadable_cases
from tests.faults.unreadable_cases import Case, Result

NAMES = [case.name for case in unreadable_cases.cases(Path("/root"))]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs the rights of root")


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, tuple[Case, Result]]]:
    """Every case with its result; one process runs them all as another user."""
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        _make_photos(root / "photos")
        unreadable_cases.make(root, _make_run(root))
        ended = subprocess.run(
            [sys.executable, "-m", "tests.faults.unreadable_cases", folder],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "false"},
            capture_output=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr.decode(errors="replace")[-3000:]
        found = {name: Result(**values) for name, values in json.loads(ended.stdout).items()}
        yield {case.name: (case, found[case.name]) for case in unreadable_cases.cases(root)}


@pytest.mark.parametrize("name", NAMES)
def test_a_path_that_cannot_be_read(results: dict[str, tuple[Case, Result]], name: str) -> None:
    case, result = results[name]
    assert result.traceback == ""
    assert "Traceback" not in result.out + result.error
    changed = [path for path in result.changed if case.may_write is None or not path.startswith(case.may_write)]
    assert (result.status, changed) == (case.status, []), result.error
    if case.status == 2:
        (sentence,) = result.error.splitlines()
        assert sentence.startswith("error: ")
    else:
        (sentence,) = [line for line in result.out.splitlines() if line.startswith("skipped: ")]
        assert result.error == ""
    assert case.holds.replace("\udcff", "\\udcff") in sentence
    assert re.search(case.reason, sentence), sentence


def test_there_are_many_cases() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 60


def _make_photos(photos: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (photos / split).mkdir(parents=True)
        for index in range(2):
            Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(photos / split / f"{index}.png")


def _make_run(root: Path) -> Path:
    """A run of one step, which every user may read."""
    path = root / "its_config.py"
    path.write_text(unreadable_cases.CONFIG.format(photos=str(root / "photos")))
    config = load_config_file(path)
    with CheckpointWriter(root / "made", config) as checkpoints:
        checkpoints.save(state.create(config, optimizer.adam(config.optimizer)), {"pairs": 0})
    for parent, folders, names in os.walk(root / "made"):
        for name in (*folders, *names):
            Path(parent, name).chmod(0o755)
    return root / "made"
