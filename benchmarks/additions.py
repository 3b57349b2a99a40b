"""What each addition costs in step time: the ratio of a step with it to the same step without, measured in turns.

    python -m benchmarks.additions --size 64 --width 32 --blocks 3
    python -m benchmarks.additions --device gpu --dtype bfloat16 --size 256 --width 64 --blocks 9 --only r1

For each addition, the step without it and the step with it run in turns, and each round gives one ratio. Printed are
the median ratio and the interval that holds the median with 95% confidence. The last line is JSON.
"""

import argparse
import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax

from benchmarks import sides, turns
from cyclegan_jax.config import TrainConfig


@dataclass(frozen=True)
class Addition:
    """A change of the config.

    Attributes:
        changes: new values of fields, by their dotted names.
        steps: over how many steps its cost is spread: a round times as many, with it and without.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 1


ADDITIONS: Final[Mapping[str, Addition]] = {
    # Twice the same: what the measurement itself adds.
    "nothing": Addition(),
    "vanilla": Addition({"loss.gan": "vanilla"}),
    "hinge": Addition({"loss.gan": "hinge"}),
    "wgangp with its penalty": Addition({"loss.gan": "wgangp"}),
    "r1": Addition({"loss.gradient_penalty": "r1"}),
    "mixture": Addition({"loss.gradient_penalty": "mixture"}),
    "r1 on every 16th step": Addition({"loss.gradient_penalty": "r1", "loss.gradient_penalty_every": 16}, steps=16),
    "augment": Addition({"discriminator.augment": "color,translation,cutout"}),
}
"""By the name in the table; one line for each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sides.add_arguments(parser)
    parser.add_argument("--only", nargs="*", choices=ADDITIONS, default=list(ADDITIONS), metavar="NAME")
    args = parser.parse_args()
    jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[args.device])
    print(turns.describe(args.device))
    results = []
    for size in args.size:
        for batch in args.batch:
            plain = sides.make_config(args, size, batch)
            print(f"\n{args.recipe} step, {size} px, width {args.width}, {args.blocks} blocks, batch {batch}\n")
            results.append(measure(plain, [(name, ADDITIONS[name]) for name in args.only], args.rounds))
    turns.print_json(results)


def measure(plain: TrainConfig, additions: Sequence[tuple[str, Addition]], rounds: int) -> dict[str, Any]:
    """Print a Markdown table, one row for each addition, and return its figures."""
    images = sides.images(plain)
    before = sides.our_step(plain, images)
    print(
        "| | ms with it | ms without | ratio | 95% interval | memory of the step, GiB |\n|---|---:|---:|---:|---:|---:|"
    )
    result: dict[str, Any] = {}
    for name, addition in additions:
        after = sides.our_step(changed(plain, addition.changes), images)
        pairs = [(timed(before, addition.steps), timed(after, addition.steps)) for _ in range(rounds)]
        without, with_it = (sorted(side)[rounds // 2] for side in zip(*pairs, strict=True))
        low, ratio, high = interval([after_time / before_time for before_time, after_time in pairs])
        memory = "" if after.peak_bytes is None else f"{after.peak_bytes / 2**30:.2f}"
        print(
            f"| {name} | {with_it:.1f} | {without:.1f} | {ratio:.3f} | {low:.3f} to {high:.3f} | {memory} |", flush=True
        )
        result[name] = {"ratio": round(ratio, 4), "low": round(low, 4), "high": round(high, 4)}
    return result


def changed(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """The config with new values of some fields, by their dotted names."""
    for name, value in changes.items():
        part, _, last = name.rpartition(".")
        if part:
            config = dataclasses.replace(config, **{part: dataclasses.replace(getattr(config, part), **{last: value})})
        else:
            config = dataclasses.replace(config, **{last: value})
    return config


def timed(side: turns.Side, steps: int) -> float:
    """Milliseconds per step of some steps in a row."""
    begin = time.perf_counter()
    for _ in range(steps):
        side.run()
    return 1000 * (time.perf_counter() - begin) / steps


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower end, the median, and the upper end of the interval that holds the true median with 95% confidence.

    By order statistics, without an assumption about the distribution: the median lies between the k-th lowest and the
    k-th highest value unless fewer than k of them are on one side of it. Few values give the whole range.
    """
    ordered, number = sorted(values), len(values)
    below, tail = 0, 0.5**number
    while below < (number - 1) // 2 and tail + math.comb(number, below + 1) * 0.5**number <= 0.025:
        below += 1
        tail += math.comb(number, below) * 0.5**number
    return ordered[below], ordered[number // 2], ordered[number - 1 - below]


if __name__ == "__main__":
    main()
