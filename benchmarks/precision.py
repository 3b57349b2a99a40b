"""Train the embedded street scenes in float32 and in bfloat16, with several seeds each, and compare the scores.

    python -m benchmarks.precision --seeds 3

The networks have a quarter of the paper's width and the runs are short enough for a CPU. The control is the shuffled
score: each output against the ground truth of the other images. It prints a table; the last line is JSON.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax

from cyclegan_jax.cli.config_file import load_config_file
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.evaluation.evaluate_run import evaluate_run
from cyclegan_jax.evaluation.evaluator import Settings
from cyclegan_jax.training import loop as training

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"seeds": 3, "steps": 2400, "width": 16, "blocks": 4, "batch": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--data_dir", default=None, help="folder for the generated data set; default: the user's data folder"
    )
    args = parser.parse_args()

    base = load_config_file(ROOT / "configs" / "streets.py")
    base = dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, dir=args.data_dir or base.data.dir),
        generator=dataclasses.replace(base.generator, blocks=args.blocks, width=args.width),
        discriminator=dataclasses.replace(base.discriminator, width=args.width),
        steps=args.steps,
        batch_size=args.batch,
        log_every=args.steps,
        sample_every=args.steps,
        checkpoint_every=args.steps,
    )
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}; {args}")
    print("| dtype | seed | pixel | class | IoU | pixel, shuffled | cycle L1 of A | of B | minutes |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    rows: dict[Literal["float32", "bfloat16"], list[dict[str, float]]] = {"float32": [], "bfloat16": []}
    for seed in range(args.seeds):
        for dtype, found in rows.items():
            found.append(trained(dataclasses.replace(base, dtype=dtype, seed=seed)))
            *scores, minutes = found[-1].values()
            print(
                f"| {dtype} | {seed} | {' | '.join(f'{score:.3f}' for score in scores)} | {minutes:.1f} |", flush=True
            )
    result: dict[str, Any] = {}
    for dtype, found in rows.items():
        ious = [row["iou"] for row in found]
        result[dtype] = {"iou": statistics.mean(ious), "lowest": min(ious), "highest": max(ious), "runs": found}
        print(f"{dtype}: mean IoU {statistics.mean(ious):.3f}, from {min(ious):.3f} to {max(ious):.3f}")
    print(json.dumps(result))


def trained(config: TrainConfig) -> dict[str, float]:
    """Train one run and return its scores, and last the minutes that the training took."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        training.train(config, folder)
        minutes = (time.monotonic() - begin) / 60
        (found,) = evaluate_run(folder, Settings(features="none")).by_step.values()
    shuffled = next(table for table in found.tables if table.key == "photo_to_labels").to_json()["shuffled"]
    return {
        "pixel": found.scores["photo_to_labels/pixel_accuracy"],
        "class": found.scores["photo_to_labels/class_accuracy"],
        "iou": found.scores["photo_to_labels/class_iou"],
        "pixel_shuffled": shuffled["pixel_accuracy"],
        "cycle_l1_A": found.scores["reconstruction_A/l1"],
        "cycle_l1_B": found.scores["reconstruction_B/l1"],
        "minutes": minutes,
    }


if __name__ == "__main__":
    main()
