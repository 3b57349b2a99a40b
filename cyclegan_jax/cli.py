"""The entry points: `train.py`, and the command `cyclegan-jax` for what comes after training."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import tyro

from cyclegan_jax import backend
from cyclegan_jax.errors import UserError
from cyclegan_jax.interruption import Interruption, StoppedError, exit_status

DAMAGED = 1
"""Exit status of `cyclegan-jax checkpoints` where one is damaged."""
MISTAKE = 2
"""Exit status of a user's mistake, as of a wrong flag."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it; 143 after SIGTERM. The same command goes on."""


def train(args: Sequence[str]) -> int:
    """`train.py`: train the experiment that `args` describe and return the exit status."""

    def run() -> None:
        from cyclegan_jax.command_line import parse_train

        config, workdir = parse_train(args)
        from cyclegan_jax import training  # JAX reads the flags that `_run` has set when it starts

        training.train(config, workdir, say=lambda line: print(line, flush=True), interruption=Interruption())

    return _run(run)


def evaluate(
    run: Path,
    steps: str | None = None,
    data_dir: str | None = None,
    images: int | None = None,
    segmenter: str | None = None,
    features: str | None = None,
    inception_weights: str | None = None,
) -> None:
    """Score a run on its test split, with controls beside every score; tables and pictures go to RUN/evaluation.

    Args:
        run: the work directory of a run.
        steps: which checkpoints: all, or steps such as 1600,2400, with their curves; default: the newest.
        data_dir: where the data is, if it is no longer where the run was trained.
        images: at most so many test images of each domain; default: all.
        segmenter: a segmentation model for labels -> photo: an ONNX file, or module:function.
        features: what FID and KID compare: inception, or module:function; none leaves them out. Default: inception
            where its weights are there already.
        inception_weights: the file of Inception's weights, in place of a download.
    """
    from cyclegan_jax.evaluation.command import evaluate_run
    from cyclegan_jax.evaluation.evaluator import Settings

    settings = Settings(images, segmenter, features, inception_weights)
    evaluate_run(run, settings, steps=steps, data_dir=data_dir)


def checkpoints(run: Path) -> int:
    """List the checkpoints of a run: steps, sizes, scores, and whether each is what was saved.

    The exit status is 1 where one is damaged.

    Args:
        run: the work directory of a run.
    """
    # A training on the accelerator, perhaps this very run's, needs all of its memory.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from cyclegan_jax import checkpoint_health

    healths = checkpoint_health.examine(run)
    print(checkpoint_health.table(healths))
    return DAMAGED if any(health.damage is not None for health in healths) else 0


def main(args: Sequence[str] | None = None) -> int:
    """`cyclegan-jax`: run a subcommand and return the exit status."""
    commands: dict[str, Callable[..., int | None]] = {"evaluate": evaluate, "checkpoints": checkpoints}
    return _run(lambda: tyro.extras.subcommand_cli_from_dict(commands, prog="cyclegan-jax", args=args))


def _run(command: Callable[[], int | None]) -> int:
    """Run a command; a user's mistake becomes its one sentence on the error stream."""
    backend.prepare()
    # Orbax logs its timings as warnings and its failures with tracebacks, through absl; what a user should know of a
    # run is said by the run.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    before = sys.unraisablehook

    def unraisable(error: "sys.UnraisableHookArgs") -> None:
        # When one array cannot be read or written, Orbax leaves; the others of TensorStore's find nobody to tell.
        if str(error.exc_value) != "Event loop is closed":
            before(error)

    sys.unraisablehook = unraisable
    try:
        return command() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except StoppedError as stopped:
        print(f"{stopped}; the same command goes on from there", file=sys.stderr)
        return exit_status(stopped.signal_number)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return INTERRUPTED
    finally:
        sys.unraisablehook = before
