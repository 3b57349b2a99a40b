"""What it costs that checkpoints and translated images survive a power failure: the time with and without fsync.

    python -m benchmarks.durability --folder build

Saves the state of `configs/streets.py`, translates 300 images of 64 px with its generator, and writes 300 files of the
size of such images alone, in a folder of the disk that is to be measured. With and without fsync take turns, because a
machine's speed drifts. The last line is JSON.
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax
import numpy as np
from PIL import Image

from cyclegan_jax import files, load_generator, optimizer, state
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli.config_file import load_config_file
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.inference.translate_files import translate_files

ROOT = Path(__file__).parents[1]
ROUNDS = 7
FEW_ROUNDS = 3
GROUP = 32
IMAGES = 300
SIDE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write; a temporary folder is made there")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as made:
        folder = Path(made)
        results = saves(folder / "run") | writes(folder) | translations(folder)
    for name, values in results.items():
        print(f"{name}: {values['with']:.3f} s with fsync, {values['without']:.3f} s without")
    print(json.dumps(results))


def saves(workdir: Path) -> dict[str, dict[str, float]]:
    """Median seconds until `CheckpointWriter.save` returns, and until the checkpoint is finished."""
    config = load_config_file(ROOT / "configs" / "streets.py")
    transform = optimizer.adam(config.optimizer)
    current = jax.block_until_ready(jax.jit(lambda: state.create(config, transform))())
    blocked: dict[str, list[float]] = {"with": [], "without": []}
    finished: dict[str, list[float]] = {"with": [], "without": []}
    with CheckpointWriter(workdir, config) as writer:
        for step in range(1, 2 * ROUNDS + 1):
            kind = "with" if step % 2 else "without"
            current = jax.block_until_ready(current._replace(step=current.step + 1))
            with _flushing(kind):
                begin = time.perf_counter()
                writer.save(current, {})
                blocked[kind].append(time.perf_counter() - begin)
                writer.wait()
                finished[kind].append(time.perf_counter() - begin)
    return {"training waits for a save": _medians(blocked), "a save, in the background": _medians(finished)}


def writes(folder: Path) -> dict[str, dict[str, float]]:
    """Median seconds to write the files one by one, and in groups as `translate` does."""
    content = np.random.default_rng(0).bytes(SIDE * SIDE * 3)
    paths = [folder / "files" / str(index) for index in range(IMAGES)]
    files.make_folder(folder / "files")

    def one_by_one() -> None:
        for path in paths:
            files.write_atomically(path, content)

    def together() -> None:
        for begin in range(0, IMAGES, GROUP):
            with files.writing_together() as write:
                for path in paths[begin : begin + GROUP]:
                    write(path, content)

    return {
        f"{IMAGES} files, one by one": _medians(_in_turns(one_by_one, ROUNDS)),
        f"{IMAGES} files, together": _medians(_in_turns(together, ROUNDS)),
    }


def translations(folder: Path) -> dict[str, dict[str, float]]:
    """Median seconds to translate all images."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    chosen = {}
    for index in range(IMAGES):
        file = folder / "images" / f"{index}.png"
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(file)
        chosen[file] = folder / "translated" / file.name
    generator = load_generator(folder / "run", "AtoB")
    _translate(generator, chosen)  # compiles
    return {f"{IMAGES} translated images": _medians(_in_turns(lambda: _translate(generator, chosen), FEW_ROUNDS))}


def _translate(generator: Generator, chosen: dict[Path, Path]) -> None:
    translate_files(generator, chosen, batch_size=8, tile=1024, max_size=None, progress=lambda done, of: None)


def _in_turns(call: Callable[[], None], rounds: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(rounds):
        for kind, seconds in taken.items():
            with _flushing(kind):
                begin = time.perf_counter()
                call()
                seconds.append(time.perf_counter() - begin)
    return taken


def _flushing(kind: str) -> contextlib.AbstractContextManager[object]:
    return contextlib.nullcontext() if kind == "with" else mock.patch.object(os, "fsync")


def _medians(values: dict[str, list[float]]) -> dict[str, float]:
    return {kind: statistics.median(seconds) for kind, seconds in values.items()}


if __name__ == "__main__":
    main()
