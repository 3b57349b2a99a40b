"""A run that is killed repeatedly ends with the bytes of an undisturbed run."""

import random
import re
import signal
import time
from pathlib import Path

import pytest

from cyclegan_jax.checkpoints import folders
from tests.faults.conftest import STEPS, Experiment, final_bytes
from tests.faults.summary import SUMMARY


def killed_run(experiment: Experiment, workdir, seed: int, kills: int, *flags: str) -> None:
    """Train to the end, with `kills` kills at random moments of random steps."""
    rng = random.Random(seed)
    lost = None
    for kill in range(kills + 1):
        training = experiment.start(workdir, *flags)
        assert training.wait_for(r"^A: "), training.said
        if lost is not None:
            (came_from,) = re.findall(r"from step (\d+)", training.said) or ["0"]
            SUMMARY.kills_survived += 1
            SUMMARY.lost_steps.append(lost - int(came_from))
            # The last save may not have been committed at the kill.
            assert lost - int(came_from) <= 10
        if kill == kills:
            break
        at = training.step + rng.randint(1, max(1, STEPS * 2 // kills))
        training.wait_for(rf"^step {min(at, STEPS)}/")
        time.sleep(rng.random() * 0.06)
        training.send(signal.SIGKILL)
        was_killed = training.ended() == -signal.SIGKILL
        SUMMARY.kills += was_killed
        lost = training.step if was_killed else None
    assert training.ended() == 0, training.said


@pytest.mark.parametrize(("seed", "every"), [(0, 5), pytest.param(1, 1, marks=pytest.mark.slow)])
def test_killed_runs_end_with_the_same_bytes(experiment: Experiment, tmp_path: Path, seed, every) -> None:
    """With `every` 1 a save is nearly always under way, so the kill interrupts one."""
    workdir = tmp_path / "work"
    killed_run(experiment, workdir, seed, 3, f"--checkpoint_every={every}")
    assert final_bytes(workdir) == final_bytes(experiment.straight)
    # What killed saves have left is gone, and old ones are deleted as ever.
    folder = folders.directory(workdir)
    assert len(list(folder.iterdir())) == len(folders.steps_in(folder)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 24))
def test_two_hundred_kills(experiment: Experiment, tmp_path: Path, seed) -> None:
    workdir = tmp_path / "work"
    killed_run(experiment, workdir, seed, 20, f"--checkpoint_every={1 + seed % 3}")
    assert final_bytes(workdir) == final_bytes(experiment.straight)


def test_another_seed_gives_other_bytes(experiment: Experiment, tmp_path: Path) -> None:
    """The control: the comparison above can fail."""
    workdir = tmp_path / "work"
    training = experiment.start(workdir, "--seed=1", "--steps=2")
    assert training.ended() == 0, training.said
    assert final_bytes(workdir)["arrays"] != final_bytes(experiment.straight)["arrays"]


def test_a_kill_costs_at_most_the_minutes_since_a_save(experiment: Experiment, tmp_path: Path) -> None:
    """Without `checkpoint_minutes` the run would start over: its next checkpoint is of the last step."""
    workdir = tmp_path / "work"
    flags = ("--checkpoint_every=1000", "--checkpoint_minutes=0.001")
    training = experiment.start(workdir, *flags)
    assert training.wait_for(r"^step 20/"), training.said
    training.send(signal.SIGKILL)
    training.ended()
    saved = folders.steps(workdir)
    assert saved
    training = experiment.start(workdir, *flags)
    assert training.ended() == 0, training.said
    assert f"from step {saved[-1]}" in training.said
    assert final_bytes(workdir) == final_bytes(experiment.straight)
    # The extra checkpoints are gone.
    assert folders.steps(workdir) == [STEPS]
