"""A tiny experiment for `train.py`, and the result of an undisturbed run."""

import dataclasses
import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from tests.faults import processes, saved_runs

STEPS = 40
CONFIG = """
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig


def get_config():
    return TrainConfig(
        data=DataConfig(dir={photos!r}, image_size=16, load_size=18, threads=1),
        generator=GeneratorConfig(blocks=0, width=2),
        discriminator=DiscriminatorConfig(width=2, n_layers=1),
        pool_size=3,
        ema_decay=0.9,
        steps={steps},
        log_every=1,
        sample_every=1000,
        checkpoint_every=5,
    )
"""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A config file, and the work directory of an undisturbed run of it."""

    folder: Path
    config: Path
    straight: Path

    def start(
        self, workdir: Path, *flags: str, fsync: bool = True, xla_flags: str = "", pairs: Path | None = None
    ) -> processes.Training:
        """Start or resume a run of it in `workdir`; see `processes.start`."""
        args = ["--config", str(self.config), "--workdir", str(workdir), *flags]
        return processes.start(args, self.folder / "logs", fsync=fsync, xla_flags=xla_flags, pairs=pairs)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Collect garbage of failed saves and loads inside the test whose filters allow its warnings."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def experiment(tmp_path_factory) -> Experiment:
    folder = tmp_path_factory.mktemp("faults")
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB"):
        (folder / "photos" / split).mkdir(parents=True)
        for index in range(4):
            pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / split / f"{index}.png")
    (folder / "logs").mkdir()
    config = folder / "experiment.py"
    config.write_text(CONFIG.format(photos=str(folder / "photos"), steps=STEPS))
    made = Experiment(folder, config, folder / "straight")
    training = made.start(made.straight)
    assert training.ended() == 0, training.said
    return made


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Path:
    """A run with whole checkpoints of steps 4 and 8."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    with CheckpointWriter(workdir, saved_runs.CONFIG) as saved:
        for step in (4, 8):
            saved.save(saved_runs.at_step(step), {"pairs": step})
    return workdir


@pytest.fixture
def run(whole, tmp_path) -> Path:
    """A copy of the run to damage, in another folder: work directories can be moved."""
    return Path(shutil.copytree(whole, tmp_path / "moved"))


def final_bytes(workdir: Path) -> dict[str, object]:
    """Shape, type and checksum of all arrays of the newest checkpoint, read and compared with what was saved."""
    newest = open_checkpoint(workdir)
    newest.state()
    return {
        "step": newest.step,
        "position": newest.metadata["data_position"],
        "arrays": newest.metadata["arrays"],
    }
