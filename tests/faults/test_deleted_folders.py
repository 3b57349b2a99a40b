"""A work directory that is deleted, moved or replaced under a training run."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Experiment


@pytest.mark.parametrize(
    "harm",
    ["deleted", *(pytest.param(harm, marks=pytest.mark.slow) for harm in ("checkpoints deleted", "replaced"))],
)
def test_a_deleted_folder_ends_the_run_with_one_sentence(experiment: Experiment, tmp_path: Path, harm: str) -> None:
    workdir = tmp_path / "work"
    training = experiment.start(workdir, "--steps=1000000", "--log_every=1")
    assert training.wait_for(r"^step 7/"), training.said
    gone = workdir / "checkpoints" if harm == "checkpoints deleted" else workdir
    # Renamed first, so that it is gone at once: a folder in which the run makes files cannot be deleted at once.
    gone.rename(tmp_path / "gone")
    since = time.monotonic()
    if harm == "replaced":
        workdir.mkdir()
        (workdir / "notes").write_text("mine")
    else:
        shutil.rmtree(tmp_path / "gone")
    training.process.join(20)
    took = time.monotonic() - since
    if training.process.is_alive():
        training.send(signal.SIGKILL)
    assert training.ended() == 2, training.said
    assert took < 10
    errors = [line for line in training.said.splitlines() if "step " not in line[:5]][-1:]
    assert errors[0].startswith(f"error: the folder {gone} was deleted, moved or replaced while the run was training: ")
    assert "Traceback" not in training.said
    if harm == "replaced":
        assert list(workdir.rglob("*")) == [workdir / "notes"]
    else:
        assert not gone.exists()
