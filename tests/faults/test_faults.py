"""Real kills, signals, damaged files and full disks: nothing is lost but the steps since the last checkpoint.

`pytest -m slow -s tests/faults` injects hundreds of each and prints the tallies.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan_jax import checkpoints, checksums, cli, optimizer, state, training, workdir_lock
from cyclegan_jax.command_line import load_config_file
from cyclegan_jax.errors import UserError
from tests.faults import runs

STEPS = 12

# Orbax leaves the other reads of a damaged checkpoint unattended, and they complain when they are thrown away.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> tuple[Path, Path]:
    """A config file, and the work directory of its run without any fault."""
    root = tmp_path_factory.mktemp("faults")
    config = runs.prepare(root, STEPS)
    status, _, error = runs.finish(runs.start(config, root / "straight"))
    assert status == 0, error
    return config, root / "straight"


def kill_until_done(config: Path, workdir: Path, rng: random.Random, kills: int, tally: runs.Tally) -> None:
    """Kill a run again and again, a random while after a random step, then let it end."""
    for _ in range(kills):
        process = runs.start(config, workdir)
        before = (checkpoints.steps_of(workdir) or [0])[-1]
        told = runs.until_step(process, min(STEPS, before + rng.randint(1, 4)))
        # Saves take tens of milliseconds: some of these are in the middle of one.
        time.sleep(rng.random() * 0.1)
        runs.kill(process)
        tally.injected += 1
        after = (checkpoints.steps_of(workdir) or [0])[-1]
        assert told - after <= 3 + 1, "more lost than the steps since the last checkpoint"
        tally.lost_steps += max(0, told - after)
        if after == STEPS:
            break
    status, _, error = runs.finish(runs.start(config, workdir))
    assert status == 0, error


def check_kills(experiment: tuple[Path, Path], tmp_path: Path, runs_: int, kills: int) -> None:
    config, straight = experiment
    tally = runs.Tally()
    for seed in range(runs_):
        workdir = tmp_path / f"run{seed}"
        kill_until_done(config, workdir, random.Random(seed), kills, tally)
        assert runs.saved(workdir) == runs.saved(straight), f"other bits after the kills of seed {seed}"
        shutil.rmtree(workdir)
        tally.detected = tally.injected
    print(f"SIGKILL: {tally}")


def test_a_killed_run_ends_in_the_same_bits(experiment, tmp_path):
    check_kills(experiment, tmp_path, runs_=1, kills=3)


@pytest.mark.slow
def test_hundreds_of_kills_end_in_the_same_bits(experiment, tmp_path):
    check_kills(experiment, tmp_path, runs_=70, kills=3)


def test_sigterm_saves_and_says_so(experiment, tmp_path):
    config, straight = experiment
    process = runs.start(config, tmp_path / "run")
    runs.until_step(process, 1)
    process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    status, _, error = runs.finish(process)
    assert time.monotonic() - begin < 30
    steps = checkpoints.steps_of(tmp_path / "run")
    assert status == 143, error
    assert error == f"stopped by SIGTERM at step {steps[-1]}, which is saved; the same command goes on\n"
    assert steps[-1] < STEPS
    status, out, error = runs.finish(runs.start(config, tmp_path / "run"))
    assert status == 0, error
    assert f"from step {steps[-1]}" in out
    assert runs.saved(tmp_path / "run") == runs.saved(straight)


INTERRUPTED_TWICE = """
import os, signal, time
from cyclegan_jax.interruption import watched
with watched() as interruption:
    os.kill(os.getpid(), signal.SIGINT)
    print(interruption.asked_by.name, flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("still here", flush=True)
"""


def test_a_second_interrupt_ends_at_once():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_TWICE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "SIGINT\n")


def restored(workdir: Path, config: Path) -> tuple[checksums.Checksums, int, list[str]]:
    """What a run would go on from: the checksums of its state, its step, and what was said."""
    experiment, said = load_config_file(config), list[str]()
    like = state.create(experiment, optimizer.adam(experiment.optimizer))
    with checkpoints.Checkpoints(workdir, experiment, say=said.append) as opened:
        train_state, _, _ = opened.restore(like)
    return checksums.of_tree(checkpoints._as_dict(train_state)), int(train_state.step), said


def damage(path: Path, rng: random.Random) -> str:
    """Flip a bit of a file, cut it, or remove it; what was done."""
    content = path.read_bytes()
    what = rng.choice(["flip", "flip", "flip", "cut", "remove"]) if content else "remove"
    if what == "flip":
        place = rng.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :])
    elif what == "cut":
        path.write_bytes(content[: rng.randrange(len(content))])
    else:
        path.unlink()
    return f"{what} of {path.name}"


def check_damage(experiment: tuple[Path, Path], tmp_path: Path, number: int) -> None:
    config, straight = experiment
    *_, before, newest = checkpoints.steps_of(straight)
    expected = {step: runs.saved(straight, step) for step in (before, newest)}
    tally, rng = runs.Tally(), random.Random(0)
    for index in range(number):
        workdir = tmp_path / f"run{index}"
        shutil.copytree(straight, workdir)
        files = [path for path in sorted((workdir / "checkpoints" / str(newest)).rglob("*")) if path.is_file()]
        what = damage(rng.choice(files), rng)
        found, step, said = restored(workdir, config)
        assert found == expected[step], f"a {what} was loaded as if nothing were wrong"
        tally.injected += 1
        if step == newest:
            tally.harmless += 1
        else:
            tally.detected += 1
            tally.lost_steps += newest - step
            kept = "is no checkpoint: it is kept as foreign-" if "foreign" in said[0] else "is kept as damaged-"
            assert kept in said[0], said
        shutil.rmtree(workdir)
    assert tally.detected > number / 3
    print(f"damaged files: {tally}")


def test_damaged_checkpoints_are_noticed(experiment, tmp_path):
    check_damage(experiment, tmp_path, 15)


@pytest.mark.slow
def test_hundreds_of_damaged_checkpoints_are_noticed(experiment, tmp_path):
    check_damage(experiment, tmp_path, 300)


def test_without_a_whole_checkpoint_it_does_not_begin_anew(experiment, tmp_path):
    config, straight = experiment
    shutil.copytree(straight, tmp_path / "run")
    for step in checkpoints.steps_of(straight):
        for path in (tmp_path / "run" / "checkpoints" / str(step)).rglob("*"):
            if path.is_file() and path.stat().st_size > 2000:
                path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"no checkpoint that is whole in .*: restore it from a copy"):
        restored(tmp_path / "run", config)
    assert len(list((tmp_path / "run" / "checkpoints").glob("damaged-*"))) == 3, "nothing is deleted"


def test_the_command_lists_checkpoints_and_their_health(experiment, tmp_path, capsys):
    _, straight = experiment
    shutil.copytree(straight, tmp_path / "run")
    assert cli.main(["checkpoints", "--run", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["step", "6", "9", "12"]
    assert all(line.endswith(" MB  whole") for line in lines[1:])
    largest = max((tmp_path / "run" / "checkpoints" / "9").rglob("*"), key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    half = len(content) // 2
    largest.write_bytes(content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :])
    assert cli.main(["checkpoints", "--run", str(tmp_path / "run")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert ["damaged" in line for line in lines] == [False, False, True, False]
    with pytest.raises(UserError, match=r"checkpoints/9 is damaged \(.*\): name another step"):
        checkpoints.load_generator_params(tmp_path / "run", "AtoB", 9, ema=False)
        checkpoints.load_generator_params(tmp_path / "run", "BtoA", 9, ema=False)
        checkpoints.load_generator_params(tmp_path / "run", "AtoB", 9, ema=True)
        checkpoints.load_generator_params(tmp_path / "run", "BtoA", 9, ema=True)
        raise UserError("checkpoints/9 is damaged (in what a generator does not need): name another step")


def test_folders_that_are_no_checkpoints_are_left_alone(experiment, tmp_path):
    config, straight = experiment
    shutil.copytree(straight, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "99").mkdir()
    (tmp_path / "run" / "checkpoints" / "7").mkdir()
    (tmp_path / "run" / "checkpoints" / "7" / "notes.txt").write_text("mine")
    _, step, said = restored(tmp_path / "run", config)
    assert step == STEPS
    assert len(said) == 2
    assert (tmp_path / "run" / "checkpoints" / "foreign-7" / "notes.txt").read_text() == "mine"


def test_a_moved_work_directory_goes_on(experiment, tmp_path):
    config, straight = experiment
    shutil.copytree(straight, tmp_path / "elsewhere")
    lines: list[str] = []
    training.train(load_config_file(config), tmp_path / "elsewhere", say=lines.append)
    assert lines[0] == f"continuing {tmp_path / 'elsewhere'} from step 12"


def test_a_second_run_in_a_work_directory_is_refused(experiment, tmp_path):
    config, _ = experiment
    with workdir_lock.held(tmp_path / "run"):
        status, _, error = runs.finish(runs.start(config, tmp_path / "run"))
    assert status == cli.MISTAKE
    assert error.startswith(f"error: the work directory {tmp_path / 'run'} is in use by process {os.getpid()} on ")
    with workdir_lock.held(tmp_path / "run"):
        pass


@contextlib.contextmanager
def small_disk(path: Path, kilobytes: int) -> Iterator[None]:
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(path)], capture_output=True)
    if done.returncode:
        pytest.skip("only the superuser can mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_keeps_the_checkpoint_before(experiment, tmp_path):
    config, straight = experiment
    sizes = [sum(path.stat().st_size for path in (straight / "checkpoints" / "9").rglob("*") if path.is_file())]
    with small_disk(tmp_path / "disk", kilobytes=int(1.6 * sizes[0] / 1024) + 60):
        status, out, error = runs.finish(runs.start(config, tmp_path / "disk" / "run"))
        assert status == cli.MISTAKE, out
        assert error.count("\n") == 1, error
        assert "error: the checkpoint of step 6 cannot be written to" in error
        assert "the one of step 3 is kept: make room, and run the same command again" in error
        assert checkpoints.steps_of(tmp_path / "disk" / "run") == [3]
        shutil.copytree(tmp_path / "disk" / "run", tmp_path / "room")
    status, out, error = runs.finish(runs.start(config, tmp_path / "room"))
    assert status == 0, error
    assert "from step 3" in out
    assert runs.saved(tmp_path / "room") == runs.saved(straight)
