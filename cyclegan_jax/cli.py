"""The entry points: `train.py`, and the command `cyclegan-jax` for what comes after training."""

import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import tyro

from cyclegan_jax import backend
from cyclegan_jax.errors import UserError
from cyclegan_jax.interruption import InterruptedRunError

MISTAKE = 2
"""Exit status of a user's mistake, as of a wrong flag."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it; 143 after SIGTERM."""
DAMAGED = 1
"""Exit status of `cyclegan-jax checkpoints` where one is damaged."""


def train(args: Sequence[str]) -> int:
    """`train.py`: train the experiment that `args` describe and return the exit status."""

    def run() -> None:
        from cyclegan_jax.command_line import parse_train

        config, workdir = parse_train(args)
        from cyclegan_jax import training  # JAX reads the flags that `_run` has set when it starts

        training.train(config, workdir, say=lambda line: print(line, flush=True))

    return _run(run)


def evaluate(run: Path, step: int | None = None, data_dir: str | None = None) -> None:
    """Score a run on its test split: photo -> labels by palette colour, beside two controls.

    Args:
        run: the work directory of a run.
        step: which checkpoint; default: the newest.
        data_dir: where the data is, if it is no longer where the run was trained.
    """
    from cyclegan_jax.evaluation.photo_to_labels import evaluate_run

    result = evaluate_run(run, step=step, data_dir=data_dir)
    print(result.table())
    print(json.dumps(result.to_json()))


def checkpoints(run: Path) -> int:
    """List the checkpoints of a run, and read each to see whether it is whole.

    Args:
        run: the work directory of a run.
    """
    from cyclegan_jax.checkpoints import health

    found = list(health(run))
    print(f"{'step':>10}  {'size':>10}  health")
    for one in found:
        told = "whole" if one.damage is None else f"damaged: {one.damage}"
        print(f"{one.step:>10,}  {one.size / 1e6:>7,.1f} MB  {told}")
    return DAMAGED if any(one.damage is not None for one in found) else 0


def main(args: Sequence[str] | None = None) -> int:
    """`cyclegan-jax`: run a subcommand and return the exit status."""
    commands: dict[str, Callable[..., int | None]] = {"evaluate": evaluate, "checkpoints": checkpoints}
    return _run(lambda: tyro.extras.subcommand_cli_from_dict(commands, prog="cyclegan-jax", args=args))


def _run(command: Callable[[], int | None]) -> int:
    """Run a command; a user's mistake becomes its one sentence on the error stream."""
    backend.prepare()
    # What a user should know of a run is said by the run. Orbax logs its timings as warnings, through absl, a save that
    # fails as a thousand lines of tracebacks, and leaves the failed reads of a damaged checkpoint to asyncio.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        return command() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except InterruptedRunError as stop:
        print(stop, file=sys.stderr)
        return 128 + stop.signal
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
