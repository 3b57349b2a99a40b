"""Train on real images for some minutes, and score photo -> labels at regular intervals.

    python -m benchmarks.quality_over_time --data DIR --out DIR --device gpu --dtype bfloat16 --batch 4 --scan 8

DIR has trainA, trainB, testA and testB: label maps in the Cityscapes colours (A) and photos (B); test pairs share their
names. All images are kept in memory. Another call with the same --out resumes where the last one stopped. It prints a
table, whose last line is the latest point as JSON; `curve.json` in the folder --out has all points.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax
import numpy as np
from PIL import Image

from cyclegan_jax import optimizer, recipes, state
from cyclegan_jax.config import DataConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.data import images
from cyclegan_jax.data.palette import NAMES, color_array
from cyclegan_jax.devices.mesh import make_mesh, replicated
from cyclegan_jax.devices.step_program import StepProgram
from cyclegan_jax.evaluation.segmentation_scores import score_label_pictures
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step


def main() -> None:
    args = arguments()
    jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[args.device])
    args.out.mkdir(parents=True, exist_ok=True)
    config = dataclasses.replace(
        recipes.paper(),
        data=DataConfig(image_size=args.size, labels="A"),
        generator=GeneratorConfig(args.blocks, args.width, "resize"),
        batch_size=args.batch,
        dtype=args.dtype,
        seed=args.seed,
        ema_decay=0.995,
    )
    load_size = config.data.resolved_load_size[0]
    train = {domain: read(args.data / f"train{domain}", load_size, domain) for domain in "AB"}
    test = {domain: read(args.data / f"test{domain}", args.size, domain) for domain in "AB"}
    train_truth = list(read(args.data / "trainA", args.size, "A"))
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}; { ({name: len(x) for name, x in train.items()}) }")

    networks = cyclegan.define(config)
    current, program = training(config, networks, max(map(len, train.values())), args.scan)

    @jax.jit
    def translate(generators: Any, photos: jax.Array) -> jax.Array:
        return networks.generate(generators, "BtoA", images.to_model_range(photos, "float32"))

    current, curve = restored(args.out, current)
    batches = pairs(train, config, args.scan, int(current.step))
    print("| training, min | step | model: pixel, class, IoU | constant map | shuffled |\n|---|---|---|---|---|")
    first = next(batches)
    steps = program.compile(current, first)
    current, metrics = steps(current, first)
    jax.block_until_ready(metrics)
    trained = curve[-1]["seconds"] if curve else 0.0
    left, due = 60 * args.minutes, args.every
    while left > 0:
        begin = time.monotonic()
        while due > 0 and left > 0:
            current, metrics = steps(current, next(batches))
            jax.block_until_ready(metrics)
            passed, begin = time.monotonic() - begin, time.monotonic()
            trained, left, due = trained + passed, left - passed, due - passed
        photos = test["B"]
        parts = [images.to_uint8(translate(current.ema, photos[i : i + 8])) for i in range(0, len(photos), 8)]
        labels = np.concatenate(parts)
        curve.append(score(labels, test["A"], train_truth, trained, int(current.step)))
        shown = np.concatenate([photos[:8], labels[:8], test["A"][:8]], 2).reshape(-1, 3 * args.size, 3)
        Image.fromarray(shown).save(args.out / "samples.png")
        due = args.every
    save(args.out, current, curve)
    print(json.dumps(curve[-1]))


def training(config: TrainConfig, networks: cyclegan.Networks, epoch_images: int, scan: int) -> tuple[Any, StepProgram]:
    """Return a fresh state and the program that trains it for `scan` steps per call."""
    transform, mesh = optimizer.adam(config.optimizer), make_mesh()
    program = StepProgram(
        lambda collectives: make_train_step(
            config, networks, transform, epoch_images=epoch_images, collectives=collectives
        ),
        config,
        mesh,
        steps=scan,
    )
    return jax.jit(lambda: state.create(config, transform), out_shardings=replicated(mesh))(), program


def score(
    labels: np.ndarray, truth: np.ndarray, train_truth: list[np.ndarray], seconds: float, step: int
) -> dict[str, Any]:
    """Score label pictures made from the test photos, print the row of the table, and return a point of the curve."""
    found = score_label_pictures(labels, truth, train_truth, color_array(), NAMES)
    rows = (("model", found.model), ("constant", found.constant_map), ("shuffled", found.shuffled))
    means = {name: [round(value, 4) for value in scores.means] for name, scores in rows}
    print(f"| {seconds / 60:.1f} | {step:,} | " + " | ".join(map(str, means.values())) + " |", flush=True)
    return {"seconds": round(seconds, 1), "step": step, **means}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds of training between scores")
    for name, default in {"size": 128, "batch": 1, "width": 64, "blocks": 6, "scan": 1, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def read(folder: Path, size: int, domain: str) -> np.ndarray:
    """Read all images of a folder in the order of their names: (N, size, size, 3) uint8."""
    how = Image.Resampling.NEAREST if domain == "A" else Image.Resampling.BICUBIC
    return np.stack(
        [np.asarray(Image.open(path).convert("RGB").resize((size, size), how)) for path in sorted(folder.iterdir())]
    )


def pairs(train: dict[str, np.ndarray], config: TrainConfig, scan: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield batches of random crops, half of them mirrored; with a leading axis of steps if `scan` is above 1."""
    rng, size = np.random.default_rng((config.seed, seed)), config.data.crop_size[0]
    while True:
        batch = {}
        for domain, stored in train.items():
            rows = []
            for index in rng.integers(len(stored), size=scan * config.batch_size):
                top, left = rng.integers(stored.shape[1] - size + 1, size=2)
                row = stored[index, top : top + size, left : left + size]
                rows.append(row[:, ::-1] if rng.integers(2) else row)
            shape = (config.batch_size,) if scan == 1 else (scan, config.batch_size)
            batch[domain] = np.stack(rows).reshape(*shape, size, size, 3)
        yield batch


def save(out: Path, current: Any, curve: list[dict[str, Any]]) -> None:
    np.savez(out / "state.npz", *[np.asarray(leaf) for leaf in jax.tree.leaves(current)])
    (out / "curve.json").write_text(json.dumps(curve, indent=1))


def restored(out: Path, current: Any) -> tuple[Any, list[dict[str, Any]]]:
    if not (out / "state.npz").exists():
        return current, []
    with np.load(out / "state.npz") as kept:
        leaves = [kept[f"arr_{index}"] for index in range(len(kept.files))]
    placed = jax.tree.map(lambda leaf, old: jax.device_put(leaf, old.sharding), leaves, jax.tree.leaves(current))
    return jax.tree.unflatten(jax.tree.structure(current), placed), json.loads((out / "curve.json").read_text())


if __name__ == "__main__":
    main()
