"""`cyclegan-jax verify`: the steps between two checkpoints, made again, have the same bits, and a change is found."""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.checkpoints import folders, layout, on_disk
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.exit_status import DIFFERENT, MISTAKE
from cyclegan_jax.training.workdir import WorkdirLock
from tests.faults.conftest import STEPS, Experiment


@pytest.fixture
def run(experiment: Experiment, tmp_path: Path) -> Path:
    """A copy of the undisturbed run, which has checkpoints of steps 30, 35 and 40."""
    return Path(shutil.copytree(experiment.straight, tmp_path / "run"))


def verified(capsys: pytest.CaptureFixture[str], run: Path, *flags: str) -> tuple[int, str]:
    """The exit status and all output of `cyclegan-jax verify`."""
    capsys.readouterr()
    status = cli.main(["verify", "--run", str(run), *flags])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return status, said.out + said.err


def rewrite(run: Path, step: int, **changes: object) -> None:
    """Save a checkpoint again with other metadata, and with one weight changed where `weight` is given."""
    checkpoint = open_checkpoint(run, step)
    state = checkpoint.state()
    weight = changes.pop("weight", None)
    if weight is not None:
        kernel = state["generators"]["AtoB"]["head"]["kernel"]
        state["generators"]["AtoB"]["head"]["kernel"] = kernel.at[(0,) * kernel.ndim].add(weight)
    metadata = {name: value for name, value in checkpoint.metadata.items() if name != "arrays"} | changes
    metadata = {name: value for name, value in metadata.items() if value is not None}
    shutil.rmtree(checkpoint.path)
    on_disk.save(checkpoint.path, state, metadata).wait()


def content(run: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(run)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(run.rglob("*"))
        if path.is_file()
    }


def test_the_same_steps_again_have_the_same_bits(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A training that holds the lock may be under way.
    with WorkdirLock(run):
        before = content(run)
        status, said = verified(capsys, run)
        assert status == 0, said
        assert content(run) == before
    number = len(jax.tree.leaves(layout.as_dict(open_checkpoint(run).shapes)))
    lines = said.splitlines()
    assert lines[-1].startswith(f"steps 35 to {STEPS} made again in ")
    assert lines[-1].endswith(f": equal, all bits of {number} arrays and the position in the data")
    status, said = verified(capsys, run, "--step=30", "--steps=10")
    assert status == 0, said
    assert said.splitlines()[-1].startswith("steps 30 to 40 made again")


def test_whatever_differs_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = open_checkpoint(run, 40).metadata
    position, environment = saved["data_position"], saved["environment"]
    rewrite(run, 40, weight=0.5, data_position=position | {"pairs": 41}, environment=environment | {"jax": "0.9.0"})
    status, said = verified(capsys, run)
    assert status == DIFFERENT
    assert "1 of " in said
    assert "  generators.AtoB.head.kernel 0.5\n" in said
    assert "position in the data: {'pairs': 40, " in said
    assert "but {'pairs': 41, " in said
    assert f"versions and hardware, then -> now: jax 0.9.0 -> {jax.__version__}" in said


def test_another_seed_is_found(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The data order and the augmentation follow the seed; the environment is missing, as in early checkpoints."""
    for step in (35, 40):
        checkpoint = open_checkpoint(run, step)
        rewrite(run, step, config=checkpoint.metadata["config"] | {"seed": 1}, environment=None)
    status, said = verified(capsys, run)
    assert status == DIFFERENT
    assert "generator_optimizer.mu." in said
    assert " more\n" in said
    assert said.endswith("the checkpoint does not record the versions and the hardware it was made with\n")


def test_changed_images_are_found(
    experiment: Experiment, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Path(shutil.copytree(experiment.folder / "photos", tmp_path / "moved"))
    for file in (moved / "trainA").iterdir():
        size = file.stat().st_size
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(file)
        # A file of another size is another image, without a look into it.
        with file.open("ab") as stream:
            stream.truncate(size)
    status, said = verified(capsys, run, f"--data_dir={moved}")
    assert status == DIFFERENT
    assert "generator_optimizer.mu." in said
    assert "config changed" not in said
    assert said.endswith("versions and hardware are those of the checkpoint\n")


def error_of(capsys: pytest.CaptureFixture[str], run: Path, *flags: str) -> str:
    """The one line of an error."""
    status, said = verified(capsys, run, *flags)
    assert status == MISTAKE
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


def test_mistakes_are_one_sentence(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no checkpoint of step 31: choose --step from 30, 35, 40" in error_of(capsys, run, "--step=31")
    assert "no checkpoint after step 40" in error_of(capsys, run, "--step=40")
    assert "no checkpoint of step 33, which is --step 30" in error_of(capsys, run, "--step=30", "--steps=3")
    assert "no checkpoint of step 37: choose --step from 30, 35, 40" in error_of(capsys, run, "--steps=3")
    assert "steps is 0, but it must be at least 1" in error_of(capsys, run, "--steps=0")
    assert "has no checkpoints" in error_of(capsys, tmp_path)
    gone = error_of(capsys, run, f"--data_dir={tmp_path / 'gone'}")
    assert "gone" in gone
    assert "--data_dir" in gone
    for step in (30, 35):
        shutil.rmtree(folders.directory(run) / str(step))
    assert "has only the checkpoint of step 40, and verify compares two: train with --keep_checkpoints=2" in error_of(
        capsys, run
    )


def test_another_number_of_images_or_devices(
    experiment: Experiment, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Path(shutil.copytree(experiment.folder / "photos", tmp_path / "moved"))
    (moved / "trainB" / "0.png").unlink()
    sentence = (
        "was trained on 4 images of B, but the data now holds 3: give the folder of the run's own data by --data_dir"
    )
    assert sentence in error_of(capsys, run, f"--data_dir={moved}")
    (moved / "trainB" / "0.png").write_bytes((moved / "trainB" / "1.png").read_bytes() + b"more")
    sentence = "but others: the size of a file differs: give the folder of the run's own data by --data_dir"
    assert sentence in error_of(capsys, run, f"--data_dir={moved}")
    environment = open_checkpoint(run, 40).metadata["environment"]
    rewrite(run, 40, environment=environment | {"devices": 4})
    assert "were made on 4 devices, but JAX sees 1 device here" in error_of(capsys, run)
