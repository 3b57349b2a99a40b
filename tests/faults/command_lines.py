"""Malformed command lines from a seed, and a process that runs each of them through the command's entry point.

Run as a program, it reads command lines as JSON from standard input and prints what became of each, as JSON.
"""

import contextlib
import io
import json
import os
import random
import re
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

NUMBERS = ("1e22", "-1", "nan", "inf", "-inf", "99999999999999999999", "1e400", "9" * 5000, "0x10", "1_0_", "1,5", "--")
WORDS = (
    "",
    " ",
    "abc",
    "./photos",
    "/etc/passwd",
    "'3'",
    '"',
    "ümlaut",
    "数",
    "\u202e3",
    "3\n4",
    "None?",
    "{}",
    "*",
    "a=b",
)
"""Values that are no number."""

TRAIN_NUMBERS = (
    *("steps", "seed", "batch_size", "pool_size", "data.image_size", "data.threads", "generator.blocks", "log_every"),
    *(
        "optimizer.learning_rate",
        "loss.cycle_weight_A",
        "data.cache_gib",
        "eval_images",
        "ema_decay",
        "keep_checkpoints",
    ),
)
TRAIN_CHOICES = ("dtype", "data.source", "data.flip", "remat", "generator.upsample", "data.channels_A", "parallel")
UNKNOWN = (
    "stpes",
    "batchsize",
    "data.image_sze",
    "width",
    "generator",
    "Seed",
    "x",
    "learning_rate",
    "数",
    "data.",
    "a b",
)
CALLS = {
    "translate": (("batch_size", "tile", "max_size", "step"), ("direction", "format"), ("run", "input", "output")),
    "evaluate": (("images",), (), ("run",)),
    "checkpoints": ((), (), ("run",)),
}
"""Of each command but train: its numbers, its choices, and what it needs."""


@dataclass(frozen=True)
class Case:
    """A command line with one mistake.

    Attributes:
        args: the arguments.
        named: texts of which the error must have one: the flag's name, or the value where no flag is to blame.
    """

    args: list[str]
    named: list[str]


def cases(seed: int, number: int) -> list[Case]:
    """Return `number` different malformed command lines."""
    rng = random.Random(seed)
    found: dict[str, Case] = {}
    while len(found) < number:
        case = rng.choice((_of_train, _of_train, _of_call, _of_configs, _of_main))(rng)
        found.setdefault(json.dumps(case.args), case)
    return list(found.values())


def _set(rng: random.Random, flag: str, value: str) -> list[str]:
    """A flag with its value, in one argument or two."""
    return [f"--{flag}={value}"] if rng.random() < 0.6 or value.startswith("-") else [f"--{flag}", value]


def _around(rng: random.Random, good: list[list[str]], bad: list[str]) -> list[str]:
    """Good flags in any order, with the bad one somewhere between them."""
    parts = [*good, bad]
    rng.shuffle(parts)
    return [argument for part in parts for argument in part]


def _of_train(rng: random.Random) -> Case:
    good = [["--config", "streets"], *([["--steps", "3"]] if rng.random() < 0.3 else [])]
    kind = rng.randrange(9)
    if kind <= 2:
        flag = rng.choice(TRAIN_NUMBERS)
        bad, named = _set(rng, flag, rng.choice(NUMBERS[:8] if kind else WORDS)), [flag]
        if "-1" in bad[-1]:
            bad = [f"--{flag}=-1"]
    elif kind == 3:
        flag = rng.choice(TRAIN_CHOICES)
        bad, named = _set(rng, flag, rng.choice(WORDS)), [flag]
    elif kind == 4:
        flag = rng.choice(UNKNOWN)
        bad, named = _set(rng, flag, rng.choice(("3", "True", "x"))), [flag]
    elif kind == 5:
        flag = rng.choice((*TRAIN_NUMBERS, *TRAIN_CHOICES))
        return Case(["train", *(argument for part in good for argument in part), f"--{flag}"], [flag])
    elif kind == 6:
        word = rng.choice(WORDS[2:])
        bad, named = [word], [ascii(word).strip("'\"")[:6], word]
    elif kind == 7:
        flag, value = rng.choice(
            (("process_id", "x"), ("num_processes", "1e3"), ("coordinator", "here"), ("process_id", ""))
        )
        bad, named = _set(rng, flag, value), [flag, "process_id", "num_processes"]
    else:
        flag, name = rng.choice(
            (("lr", "lr"), ("n_epochs", "n_epochs"), ("gpu_ids", "gpu_ids"), ("dataroot", "dataroot"))
        )
        bad, named = _set(rng, flag, "1"), [name]
    if rng.random() < 0.08:
        name = rng.choice(("street", "", "nowhere.py", "数", "a b"))
        return Case(["train", "--config", name, *bad], ["config", *named])
    return Case(["train", *_around(rng, good, bad)], named)


def _of_call(rng: random.Random) -> Case:
    command = rng.choice(list(CALLS))
    numbers, choices, required = CALLS[command]
    good = [[f"--{name}", "nowhere"] for name in required]
    kind = rng.randrange(5)
    if kind == 0 and numbers:
        flag = rng.choice(numbers)
        value = rng.choice(WORDS) if rng.random() < 0.4 else rng.choice(NUMBERS[:8])
        bad, named = _set(rng, flag, value), [flag, "nowhere"]
    elif kind == 1 and choices:
        flag = rng.choice(choices)
        bad, named = _set(rng, flag, rng.choice(WORDS)), [flag]
    elif kind == 2:
        flag = rng.choice(UNKNOWN)
        bad, named = [f"--{flag}"], [flag]
    elif kind == 3:
        missing = rng.randrange(len(good))
        bad, named = [], [good.pop(missing)[0]]
    else:
        flag = rng.choice((*numbers, *choices, *required))
        good = [part for part in good if part[0] != f"--{flag}"]
        return Case([command, *(argument for part in good for argument in part), f"--{flag}"], [flag])
    return Case([command, *_around(rng, good, bad)], named)


def _of_configs(rng: random.Random) -> Case:
    word = rng.choice((*WORDS[2:], *UNKNOWN))
    kind = rng.randrange(3)
    if kind == 0:
        return Case(["configs", word], [ascii(word)[1:4], word, "config"])
    if kind == 1:
        return Case(["configs", "streets", f"--{rng.choice(UNKNOWN)}"], ["--"])
    return Case(
        ["configs", *rng.choice((["--out"], ["--out=x.py"], ["streets", "--out=x.txt"], ["a", "b"]))], ["out", "b"]
    )


def _of_main(rng: random.Random) -> Case:
    word = rng.choice((*WORDS, *UNKNOWN, "trian", "Train", "--train", "-x", "--versions"))
    return Case([word, *rng.choice(([], ["--run", "x"]))], ["command"])


def outcome(args: list[str]) -> dict[str, object]:
    """Run one command line; return its exit status, standard error, seconds of processor time, and peak memory."""
    from cyclegan_jax.cli import main as cli

    printed, begun = io.StringIO(), time.process_time()
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
        try:
            status: object = cli.main(args)
        except SystemExit as end:
            status = end.code
        except BaseException:
            status = "traceback"
            traceback.print_exc(file=printed)
    # Not getrusage's maximum, which a process inherits from the one that started it.
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return {
        "status": status,
        "said": printed.getvalue(),
        "seconds": time.process_time() - begun,
        "megabytes": int(peak) / 1024,
    }


if __name__ == "__main__":
    found = [outcome(args) for args in json.load(sys.stdin)]
    os.write(1, json.dumps(found).encode())
