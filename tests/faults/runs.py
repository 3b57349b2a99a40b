"""Runs in processes of their own, which can be killed, and a tally of what was done to them."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cyclegan_jax import checkpoints
from cyclegan_jax.checksums import Checksums

ROOT = Path(__file__).parents[2]

CONFIG = """
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig

def get_config():
    return TrainConfig(
        data=DataConfig(dir={folder!r}, image_size=24, load_size=26),
        generator=GeneratorConfig(blocks=0, width=4),
        discriminator=DiscriminatorConfig(width=4),
        pool_size=3, ema_decay=0.5, steps={steps}, log_every=1, sample_every=1000, checkpoint_every=3,
    )
"""


@dataclass
class Tally:
    """What a test did to runs, and what became of it."""

    injected: int = 0
    detected: int = 0
    harmless: int = 0
    lost_steps: int = 0

    def __str__(self) -> str:
        return (
            f"{self.injected} faults injected, {self.detected} detected, {self.harmless} without effect, "
            f"{self.lost_steps} steps done again"
        )


def prepare(root: Path, steps: int) -> Path:
    """Make a tiny experiment and return its config file."""
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB"):
        (root / "data" / split).mkdir(parents=True)
        for index in range(5):
            pixels = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "data" / split / f"{index}.png")
    path = root / "experiment.py"
    path.write_text(CONFIG.format(folder=str(root / "data"), steps=steps))
    return path


def start(config: Path, workdir: Path, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "train.py"), "--config", str(config), f"--workdir={workdir}", *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until_step(process: subprocess.Popen[str], step: int) -> int:
    """Read lines until the one of a step; the last step that was told."""
    assert process.stdout is not None
    told = 0
    for line in process.stdout:
        if line.startswith("step "):
            told = int(line.split()[1].split("/")[0])
            if told >= step:
                break
    return told


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit status and what was said, of a process that ends by itself."""
    out, error = process.communicate(timeout=120)
    return process.returncode, out, error


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def saved(workdir: Path, step: int | None = None) -> Checksums:
    """The checksums of a checkpoint's arrays: equal ones mean equal bits."""
    _, path = checkpoints._find(workdir, step)
    sums: Checksums = checkpoints._metadata(path)["checksums"]
    return sums
