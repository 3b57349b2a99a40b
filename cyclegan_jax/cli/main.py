"""The entry points: `train.py`, and the command `cyclegan-jax` for what comes after training."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from cyclegan_jax.config_checks import require
from cyclegan_jax.console import shown_log
from cyclegan_jax.devices import backend, distributed
from cyclegan_jax.errors import UserError
from cyclegan_jax.training.interruption import Interruption, StoppedError, exit_status

if TYPE_CHECKING:
    from cyclegan_jax.cli.train_command import TrainCommand

SKIPPED = 1
"""Exit status of `cyclegan-jax translate` where a file was left out."""
DAMAGED = 1
"""Exit status of `cyclegan-jax checkpoints` where one is damaged."""
MISTAKE = 2
"""Exit status of a user's mistake, as of a wrong flag."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it; 143 after SIGTERM. The same command goes on."""


def train(args: Sequence[str]) -> int:
    """`train.py`: train the experiment that `args` describe and return the exit status."""

    def run() -> int:
        from cyclegan_jax.cli.train_command import parse_train

        command = parse_train(args)
        if command.processes is None:
            return start(command)
        return distributed.supervised(lambda: _run(lambda: start(command)))

    def start(command: "TrainCommand") -> int:
        from cyclegan_jax.training import loop as training  # JAX reads the flags that `_run` has set when it starts

        def train() -> None:
            training.train(command.config, command.workdir, interruption=Interruption())

        if command.processes is not None:
            distributed.connect(command.processes)
        # Process 0 logs for all.
        with shown_log() if distributed.is_first() else contextlib.nullcontext():
            distributed.naming_lost_peers(train)
        return 0

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
    from cyclegan_jax.evaluation.evaluate_run import evaluate_run
    from cyclegan_jax.evaluation.evaluator import Settings
    from cyclegan_jax.evaluation.report import report

    require(images is None or images >= 2, "images", images, "at least 2")
    settings = Settings(images, segmenter, features, inception_weights)
    with shown_log():
        results = evaluate_run(run, settings, steps=steps, data_dir=data_dir)
    print(report(results))


def translate(
    run: Path,
    input: str,
    output: Path,
    direction: Literal["AtoB", "BtoA"] = "AtoB",
    step: int | Literal["best"] | None = None,
    metric: str | None = None,
    format: Literal["png", "jpg", "webp"] | None = None,
    max_size: int | None = None,
    batch_size: int = 8,
    tile: int = 1024,
    overwrite: bool = False,
    skip_existing: bool = False,
    gallery: bool = False,
) -> int:
    """Translate image files by a run's generator; names and sub-folders are kept.

    The exit status is 1 where a file was skipped, since it cannot be read.

    Args:
        run: the work directory of a run, or the folder of one of its checkpoints.
        input: a file, a folder, or a quoted pattern such as 'photos/*.jpg'.
        output: the folder for the results.
        direction: which way.
        step: which checkpoint: a step, or best; default: the newest.
        metric: whose best, where the scores disagree.
        format: of the results; default: PNG, JPEG and WebP stay what they are, all others become PNG.
        max_size: scale longer sides down to this many pixels first.
        batch_size: images at once; of large images fewer, for memory's sake.
        tile: side in pixels of the tiles of images with a side above 2048; smaller ones take less memory.
        overwrite: replace files that are there already.
        skip_existing: leave files alone that are there already, and make the others: to go on after an interruption.
        gallery: write OUTPUT/gallery.html too: one page with inputs, outputs and reconstructions.
    """
    from cyclegan_jax.console import progress_bar
    from cyclegan_jax.inference import file_plan, translate_files
    from cyclegan_jax.inference.gallery import write_gallery
    from cyclegan_jax.inference.generator import load_generator
    from cyclegan_jax.inference.user_images import output_type

    require(batch_size >= 1, "batch_size", batch_size, "at least 1")
    require(max_size is None or max_size >= 1, "max_size", max_size, "at least 1")
    if overwrite and skip_existing:
        raise UserError("--overwrite and --skip_existing exclude each other: give one of them")
    generator = load_generator(run, direction, step, metric=metric)
    kind = output_type(generator.config.data.value_range(generator.domains[1]))
    chosen = file_plan.plan(input, output, format=format, refuse=not overwrite and not skip_existing, kind=kind)
    missing = {file: target for file, target in chosen.items() if not (skip_existing and target.exists())}
    if len(missing) < len(chosen):
        print(f"{len(chosen) - len(missing):,} of {len(chosen):,} are there already")
    summary = translate_files.translate_files(
        generator,
        missing,
        batch_size=batch_size,
        tile=tile,
        max_size=max_size,
        progress=progress_bar,
    )
    for line in summary.lines():
        print(line)
    if gallery:
        back = load_generator(run, "BtoA" if direction == "AtoB" else "AtoB", generator.step)
        page = output / "gallery.html"
        title = f"{Path(run).resolve().name} {direction}, step {generator.step:,}"
        write_gallery(page, translate_files.gallery_items(chosen, back), title=title)
        print(f"gallery: {page}")
    return SKIPPED if summary.skipped else 0


def checkpoints(run: Path) -> int:
    """List the checkpoints of a run: steps, sizes, scores, and whether each is what was saved.

    The exit status is 1 where one is damaged.

    Args:
        run: the work directory of a run.
    """
    # A training on the accelerator, perhaps this very run's, needs all of its memory.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from cyclegan_jax.checkpoints import health as checkpoint_health

    healths = checkpoint_health.examine(run)
    print(checkpoint_health.table(healths))
    return DAMAGED if any(health.damage is not None for health in healths) else 0


def main(args: Sequence[str] | None = None) -> int:
    """`cyclegan-jax`: run a subcommand and return the exit status."""
    commands: dict[str, Callable[..., int | None]] = {
        "translate": translate,
        "evaluate": evaluate,
        "checkpoints": checkpoints,
    }
    return _run(lambda: tyro.extras.subcommand_cli_from_dict(commands, prog="cyclegan-jax", args=args))


def _run(command: Callable[[], int | None]) -> int:
    """Run a command; a user's mistake becomes its one sentence on the error stream."""
    backend.prepare()
    backend.keep_compiled_programs()
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
        return distributed.PEER_LOST if isinstance(error, distributed.PeerLostError) else MISTAKE
    except StoppedError as stopped:
        print(f"{stopped}; the same command goes on from there", file=sys.stderr)
        return exit_status(stopped.signal_number)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    finally:
        sys.unraisablehook = before
