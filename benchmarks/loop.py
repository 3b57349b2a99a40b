"""Time from the command to the first step, and time per step in the training loop compared with the bare step.

    python -m benchmarks.loop

Runs `train.py` on the embedded data set, which is prepared first; then the training loop and the bare step alternately,
because a machine's speed drifts. The last line is JSON.
"""

import dataclasses
import itertools
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax
import numpy as np

from cyclegan_jax import optimizer, state
from cyclegan_jax.cli.config_file import load_config_file
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data.streets.streets_set import open_streets
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from cyclegan_jax.training import host
from cyclegan_jax.training import loop as training
from cyclegan_jax.training.progress import Progress

ROOT = Path(__file__).parents[1]
ROUNDS = 3
STEPS = 110
EVERY = 10


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        open_streets(f"{folder}/data")
        prepare = time.perf_counter() - begin
        first = first_step(folder)

        config = load_config_file(ROOT / "configs" / "streets.py")
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=f"{folder}/data"))
        bare_rounds = bare(config)
        bare_ms, loop_ms, waited = [], [], []
        for i in range(ROUNDS):
            bare_ms.append(next(bare_rounds))
            milliseconds, share = loop(config, f"{folder}/run{i}")
            loop_ms.append(milliseconds)
            waited.append(share)
    ratio = statistics.median(loop_ms) / statistics.median(bare_ms)
    result = {
        "prepare_s": round(prepare, 1),
        "first_step_s": round(first, 1),
        "loop_ms": [round(value, 1) for value in loop_ms],
        "bare_ms": [round(value, 1) for value in bare_ms],
        "loop_over_bare": round(ratio, 3),
        "waiting_for_data": round(statistics.median(waited), 4),
    }
    print(f"streets drawn in {prepare:.1f} s; first step done {first:.1f} s after the command")
    print(
        f"one step: {statistics.median(loop_ms):.1f} ms in the loop, {statistics.median(bare_ms):.1f} ms bare: "
        f"{ratio - 1:+.1%}"
    )
    print(f"{statistics.median(waited):.2%} of the loop's time is waiting for data")
    print(json.dumps(result))


def first_step(folder: str) -> float:
    """Return the seconds from the command to the progress line of the first step."""
    command = [sys.executable, "train.py", "--config", "configs/streets.py", f"--workdir={folder}/first"]
    command += [f"--data.dir={folder}/data", "--steps=2", "--log_every=1"]
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        stamps = [time.perf_counter() - begin for line in process.stdout if line.startswith("step ")]
    assert process.returncode == 0 and len(stamps) == 2, "the run failed"
    return stamps[0]


def loop(config: TrainConfig, workdir: str) -> tuple[float, float]:
    """Train a short run; return the median milliseconds per step, and the median share of waiting for data.

    Both are measured between progress lines. The last interval, which contains the checkpoint, is left out.
    """
    stamps, shares = [], []

    class Watched(Progress):
        """Records the share of waiting for data, which the progress line shows only above 5%."""

        def new_line(self) -> None:
            """Measure for the next line, as the original does."""
            shares.append(self.waited())
            super().new_line()

    class Stamps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("step "):
                stamps.append(time.perf_counter())

    logger = logging.getLogger("cyclegan_jax")
    logger.addHandler(Stamps())
    logger.setLevel(logging.INFO)
    with mock.patch.object(host, "Progress", Watched):
        training.train(dataclasses.replace(config, steps=STEPS, log_every=EVERY), workdir)
    gaps = [after - before for before, after in itertools.pairwise(stamps[:-1])]
    return 1000 * statistics.median(gaps) / EVERY, statistics.median(shares[1:-1])


def bare(config: TrainConfig) -> Iterator[float]:
    """Yield the median milliseconds per compiled step, measured on one batch on the device, once per round."""
    transform = optimizer.adam(config.optimizer)
    step = jax.jit(make_train_step(config, cyclegan.define(config), transform, epoch_images=600), donate_argnums=0)
    current = jax.jit(lambda: state.create(config, transform))()
    size = config.data.crop_size[0]
    images = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    batch = jax.device_put({"A": images, "B": images})
    current, metrics = step(current, batch)
    while True:
        gaps = []
        for _ in range(STEPS // EVERY - 1):
            begin = time.perf_counter()
            for _ in range(EVERY):
                current, metrics = step(current, batch)
                jax.block_until_ready(metrics)
            gaps.append(time.perf_counter() - begin)
        yield 1000 * statistics.median(gaps) / EVERY


if __name__ == "__main__":
    main()
