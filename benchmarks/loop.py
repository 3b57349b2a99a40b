"""Time what surrounds the step: from the command to the first step, and what the loop adds to the bare step.

    python -m benchmarks.loop

Runs `train.py` on the embedded data set, prepared beforehand. The last line is JSON.
"""

import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
STEPS = 300
EVERY = 10


def main() -> None:
    from cyclegan_jax.data.streets import open_streets

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        open_streets(f"{folder}/data")
        prepare = time.perf_counter() - begin
        first, loop_ms = run_loop(folder)
    bare_ms = run_bare()
    result = {
        "prepare_s": round(prepare, 1),
        "first_step_s": round(first, 1),
        "loop_ms": round(loop_ms, 1),
        "bare_ms": round(bare_ms, 1),
        "loop_over_bare": round(loop_ms / bare_ms, 3),
    }
    print(f"streets drawn in {prepare:.1f} s; first step {first:.1f} s after the command")
    print(f"a step takes {loop_ms:.1f} ms in the loop and {bare_ms:.1f} ms bare: {loop_ms / bare_ms - 1:+.1%}")
    print(json.dumps(result))


def run_loop(folder: str) -> tuple[float, float]:
    """Seconds to the first step's sign of life, and the median milliseconds a step of the stretches after it."""
    command = [sys.executable, "train.py", "--config", "configs/streets.py", f"--workdir={folder}/run"]
    command += [f"--data.dir={folder}/data", f"--steps={STEPS}", f"--log_every={EVERY}"]
    command += [f"--checkpoint_every={STEPS}", f"--sample_every={STEPS}"]
    begin = time.perf_counter()
    stamps = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if re.match(r"step \d+/", line):
                stamps.append(time.perf_counter() - begin)
    assert process.returncode == 0 and len(stamps) == STEPS // EVERY, "the run did not end well"
    # The last stretch saves and samples.
    gaps = [(after - before) / EVERY for before, after in itertools.pairwise(stamps[:-1])]
    step = statistics.median(gaps)
    return stamps[0] - (EVERY - 1) * step, 1000 * step


def run_bare() -> float:
    """Median milliseconds of the same compiled step on one batch that is already on the device."""
    from cyclegan_jax import backend

    backend.prepare()
    import jax
    import numpy as np

    from cyclegan_jax import optimizer, state
    from cyclegan_jax.command_line import load_config_file
    from cyclegan_jax.networks import cyclegan
    from cyclegan_jax.train_step import make_train_step

    config = load_config_file(ROOT / "configs" / "streets.py")
    transform = optimizer.adam(config.optimizer)
    step = jax.jit(make_train_step(config, cyclegan.define(config), transform, epoch_images=600), donate_argnums=0)
    current = jax.jit(lambda: state.create(config, transform))()
    size = config.data.image_size
    images = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    batch = jax.device_put({"A": images, "B": images})
    times = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        current, metrics = step(current, batch)
        jax.block_until_ready(metrics)
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times[2:])


if __name__ == "__main__":
    main()
