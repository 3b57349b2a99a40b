"""Reading a run while a training saves checkpoints to it and deletes old ones."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan_jax.checkpoints import folders
from cyclegan_jax.checkpoints.failures import DeletedError
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.cli import main as cli
from cyclegan_jax.inference.generator import load_generator
from tests.faults.conftest import Experiment
from tests.faults.processes import Training


@pytest.fixture
def saving(experiment: Experiment, tmp_path: Path) -> Iterator[Training]:
    """A training in `tmp_path / "work"` that saves after each step and keeps one checkpoint."""
    flags = ("--steps=1000000", "--checkpoint_every=1", "--keep_checkpoints=1")
    training = experiment.start(tmp_path / "work", *flags)
    assert training.wait_for(r"^step 3/"), training.said
    yield training
    assert training.process.is_alive(), training.said
    training.process.kill()
    training.process.join()


def read_repeatedly(experiment: Experiment, run: Path, calls: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Call `checkpoints` and `translate` in turn; each succeeds, and lists no damage."""
    photos = str(experiment.folder / "photos" / "trainA" / "0.png")
    first = folders.steps(run)[-1]
    for call in range(calls):
        if call % 2:
            output = str(run.parent / "translated")
            status = cli.main(
                ["translate", "--run", str(run), "--input", photos, "--output", output, "--overwrite", "--gallery"]
            )
        else:
            status = cli.main(["checkpoints", "--run", str(run)])
        said = capsys.readouterr()
        assert (status, said.err) == (0, ""), said.err
        assert "damaged" not in said.out
        assert call % 2 or re.search(r"^ *[\d,]+ .* ok$", said.out, re.MULTILINE), said.out
    # The control: checkpoints were saved and deleted meanwhile.
    assert folders.steps(run)[-1] > first
    assert first not in folders.steps(run)


@pytest.mark.slow
def test_commands_beside_a_training_that_deletes(experiment, saving, tmp_path, capsys) -> None:
    read_repeatedly(experiment, tmp_path / "work", 8, capsys)


@pytest.mark.slow
def test_134_commands_beside_a_training(experiment, saving, tmp_path, capsys) -> None:
    read_repeatedly(experiment, tmp_path / "work", 134, capsys)


@pytest.mark.slow
def test_a_named_step_that_a_training_deletes(saving, tmp_path) -> None:
    """It is not replaced by another step, and is not reported as damaged."""
    run = tmp_path / "work"
    checkpoint = open_checkpoint(run)
    while checkpoint.path.exists():
        pass
    with pytest.raises(DeletedError, match=r"\d+ was deleted while it was being read: the training that writes"):
        checkpoint.generator("AtoB")
    with pytest.raises(DeletedError):
        checkpoint.state()
    assert load_generator(run).step > checkpoint.step
