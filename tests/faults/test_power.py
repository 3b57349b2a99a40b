"""Power failures at random moments lose no checkpoint and no translated image that had been finished."""

import hashlib
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cyclegan_jax.checkpoints import folders
from cyclegan_jax.checkpoints import health as checkpoint_health
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.sets import cityscapes
from cyclegan_jax.data.sets.downloads import Archive, fetch
from cyclegan_jax.data.streets.streets_set import open_streets
from cyclegan_jax.training.event_files import summary_writer
from tests.data.sets import test_cityscapes
from tests.faults import power, processes
from tests.faults.conftest import STEPS, Experiment, final_bytes

EVERY = 2
"""Steps between checkpoints."""
BATCH = 4
"""Images that `translate --batch_size=1` flushes together."""


def flags(keep: int) -> list[str]:
    return [f"--checkpoint_every={EVERY}", f"--keep_checkpoints={keep}"]


def promised(workdir: Path, keep: int) -> int:
    """The newest step in a living run that a power failure must not lose, judged by names alone; 0 for none."""
    steps = folders.steps(workdir)
    if not steps:
        return 0
    # An old checkpoint is deleted, and a new save begins, only when the one before is on the disk.
    something_was_deleted = steps[0] > EVERY and len(steps) <= keep
    return steps[-1] if something_was_deleted else ([0, *steps])[-2]


def cut_run(
    experiment: Experiment, folder: Path, keep: int, seed: int, cuts: int, *, fsync: bool = True
) -> dict[Path, int]:
    """Train on a disk of its own; return copies of it at random moments, with the step that each must hold."""
    rng = random.Random(seed)
    copies: dict[Path, int] = {}
    folder.mkdir(exist_ok=True)
    with power.new_disk(folder / "disk") as disk:
        workdir = disk.root / "runs" / "work"
        training = experiment.start(workdir, *flags(keep), fsync=fsync)
        try:
            for at in sorted(rng.sample(range(8, 38), cuts)):
                assert training.wait_for(rf"^step {at}/"), training.said
                time.sleep(rng.random() * 0.3)
                with power.stopped(training):
                    must = promised(workdir, keep)
                    copies[power.fail(disk, folder / f"{len(copies)}.copy")] = must
        finally:
            training.send(signal.SIGKILL)
            training.ended()
    return copies


def check_resumes(experiment: Experiment, copy: Path, keep: int, must: int) -> None:
    with power.after_failure(copy) as disk:
        workdir = disk.root / "runs" / "work"
        present = checkpoint_health.examine(workdir) if must else []
        assert all(health.damage is None for health in present), [health.words for health in present]
        assert must == 0 or present[-1].step >= must
        training = experiment.start(workdir, *flags(keep))
        assert training.ended() == 0, training.said
        assert "set aside" not in training.said
        if present:
            assert f"from step {present[-1].step}" in training.said
        assert final_bytes(workdir) == final_bytes(experiment.straight)
        # What was cut off in the middle of an event does not hide the later ones.
        events = EventAccumulator(str(workdir / "tensorboard")).Reload().Scalars("learning_rate")
        assert events[-1].step == STEPS


@pytest.mark.parametrize("keep", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_power_failure_loses_no_checkpoint(experiment: Experiment, tmp_path: Path, keep: int) -> None:
    for copy, must in cut_run(experiment, tmp_path, keep, seed=keep, cuts=1).items():
        assert must > 0
        check_resumes(experiment, copy, keep, must)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 22))
def test_many_power_failures_lose_no_checkpoint(experiment: Experiment, tmp_path: Path, seed: int) -> None:
    keep = 1 if seed % 2 else 3
    for copy, must in cut_run(experiment, tmp_path, keep, seed, cuts=2).items():
        check_resumes(experiment, copy, keep, must)


def test_without_fsync_checkpoints_are_lost(experiment: Experiment, tmp_path: Path) -> None:
    """The control: the simulated failure does lose what was not flushed."""
    for copy, must in cut_run(experiment, tmp_path, 3, seed=0, cuts=2, fsync=False).items():
        with power.after_failure(copy) as disk:
            workdir = disk.root / "runs" / "work"
            present = checkpoint_health.examine(workdir) if folders.steps(workdir) else []
            assert must > 0
            assert must > max((health.step for health in present if health.damage is None), default=0)


def write_picture(root: Path) -> Path:
    images_lib.save_png(root / "picture.png", np.zeros((8, 8, 3), np.uint8))
    return root / "picture.png"


def download(root: Path) -> Path:
    content = bytes(range(256)) * 400
    (root.parent / "published.zip").write_bytes(content)
    archive = Archive(f"file://{root.parent}/published.zip", len(content), hashlib.sha256(content).hexdigest())
    fetch(archive, root / "downloads" / "archive.zip", root)
    return root / "downloads" / "archive.zip"


def prepare_cityscapes(root: Path) -> Path:
    for package, content in test_cityscapes.content().items():
        test_cityscapes.write_archive(root, package, content)
    return cityscapes.prepare(root, (8, 16))


def draw_streets(root: Path) -> Path:
    open_streets(str(root / "tfds"), train=2, test=1, size=16)
    return root / "tfds"


def log_events(root: Path) -> Path:
    writer, _ = summary_writer(root / "runs" / "tensorboard", 1)
    writer.add_scalar("loss", 1.0, 1)
    writer.close()
    return root / "runs" / "tensorboard"


def content_of(path: Path) -> dict[Path, bytes]:
    """The content of a file, or of all files below a folder."""
    return {file.relative_to(path): file.read_bytes() for file in [path, *path.rglob("*")] if file.is_file()}


@pytest.mark.parametrize("write", [write_picture, download, prepare_cityscapes, draw_streets, log_events])
def test_what_a_call_has_written_survives(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    with power.new_disk(tmp_path / "disk") as disk:
        path = write(disk.root)
        written = content_of(path)
        copy = power.fail(disk, tmp_path / "copy")
    assert written
    with power.after_failure(copy) as after:
        assert content_of(after.root / path.relative_to(disk.root)) == written


def start_translating(
    experiment: Experiment, images: Path, out: Path, *more: str, fsync: bool = True
) -> processes.Training:
    args = ["--run", str(experiment.straight), "--input", str(images), "--output", str(out), "--batch_size=1", *more]
    return processes.start(args, experiment.folder / "logs", command="translate", fsync=fsync)


def finished(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.png") if not path.name.startswith(".")}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Fifty images."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(50):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{index:02d}.png")
    return folder


def cut_translation(
    experiment: Experiment, folder: Path, images: Path, *, fsync: bool
) -> tuple[Path, int, dict[str, bytes]]:
    """Translate on a disk of its own: a copy of it from half-way, the images finished then, and all results."""
    with power.new_disk(folder / "disk") as disk:
        out = disk.root / "out"
        translating = start_translating(experiment, images, out, fsync=fsync)
        try:
            end = time.monotonic() + processes.TIMEOUT
            while len(finished(out)) < 20:
                assert translating.process.is_alive() and time.monotonic() < end, translating.said
            with power.stopped(translating):
                number = len(finished(out))
                copy = power.fail(disk, folder / "copy")
            assert translating.ended() == 0, translating.said
            return copy, number, finished(out)
        finally:
            translating.send(signal.SIGKILL)
            translating.ended()


def test_translated_images_survive_whole(experiment: Experiment, tmp_path: Path, images: Path) -> None:
    copy, number, straight = cut_translation(experiment, tmp_path, images, fsync=True)
    assert len(straight) == 50
    with power.after_failure(copy) as disk:
        out = disk.root / "out"
        found = finished(out)
        assert number - BATCH <= len(found) < 50
        assert found == {name: straight[name] for name in found}
        again = start_translating(experiment, images, out, "--skip_existing")
        assert again.ended() == 0, again.said
        assert f"{len(found)} of 50 images are translated already" in again.said
        assert finished(out) == straight


def test_without_fsync_translated_images_are_lost(experiment: Experiment, tmp_path: Path, images: Path) -> None:
    """The control. What is left, if anything, is empty; `--skip_existing` makes it again all the same."""
    copy, number, straight = cut_translation(experiment, tmp_path, images, fsync=False)
    with power.after_failure(copy) as disk:
        out = disk.root / "out"
        found = finished(out)
        assert sum(content == straight[name] for name, content in found.items()) < number - BATCH
        again = start_translating(experiment, images, out, "--skip_existing")
        assert again.ended() == 0, again.said
        assert finished(out) == straight
