"""`cyclegan-jax evaluate`: score checkpoints of a run, write what was found, and say which is the best by what."""

import dataclasses
import logging
from pathlib import Path

import jax

from cyclegan_jax.checkpoints import checkpoint as checkpoint_store
from cyclegan_jax.checkpoints import run as checkpoints
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import pictures
from cyclegan_jax.evaluation import result_files as report
from cyclegan_jax.evaluation.evaluator import Evaluator, Results, Settings
from cyclegan_jax.networks.cyclegan import Params

_LOG = logging.getLogger(__name__)


def evaluate_run(
    run: str | Path,
    settings: Settings,
    *,
    steps: str | None = None,
    data_dir: str | None = None,
) -> dict[int, Results]:
    """Evaluate checkpoints of a run on its test split, and write `evaluation/` in its folder.

    Args:
        run: the work directory of the run.
        settings: what to evaluate.
        steps: `all`, or steps with commas between them, such as 1600,2400; None is the newest.
        data_dir: where the data is; None is where the run was trained.

    Returns:
        The results by step.

    Raises:
        UserError: the run has no such checkpoint, its data is not there, or the settings name something that is not.
    """
    chosen = _steps(run, steps)
    config, _ = checkpoints.load_config(run, chosen[-1])
    if data_dir is not None:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=data_dir))
    with jax.enable_x64(config.dtype == "float64" or jax.config.read("jax_enable_x64")):
        evaluator = Evaluator(config, settings)
        found: dict[int, Results] = {}
        for step in chosen:
            try:
                params = _generators(run, config, step)
            except UserError as error:
                # Of several, those that are whole.
                if len(chosen) == 1:
                    raise
                _LOG.warning(f"left out: {error}")
                continue
            found[step] = evaluator.evaluate(params)
            folder = report.write(run, step, found[step], dataclasses.asdict(settings))
            if len(chosen) == 1:
                images = " and ".join(f"{number:,} of {domain}" for domain, number in found[step].images.items())
                _LOG.info(
                    f"{run} at step {step:,}, test images: {images}\n\n{found[step].markdown()}\n\nwritten to {folder}"
                )
    if not found:
        raise UserError(f"none of the checkpoints of {run} can be loaded: see the lines above")
    if len(chosen) > 1:
        path = Path(run) / "evaluation" / "curves.png"
        pictures.save_curves(path, report.curves(found))
        notes = "".join(f"\n\n{note}" for note in found[max(found)].notes)
        _LOG.info(f"{report.comparison(found)}{notes}\n\nwritten to {path} and the folders beside it")
    return found


def _steps(run: str | Path, wanted: str | None) -> list[int]:
    present = checkpoint_store.steps(checkpoints.directory(run))
    if not present:
        raise UserError(f"{run} holds no checkpoint: name the work directory of a run, such as runs/streets")
    if wanted is None:
        return present[-1:]
    if wanted == "all":
        return present
    try:
        steps = sorted({int(part) for part in wanted.split(",")})
    except ValueError as error:
        raise UserError(f"--steps is {wanted!r}, but it must be all, or steps such as 1600,2400") from error
    missing = [step for step in steps if step not in present]
    if missing:
        raise UserError(
            f"{run} holds no checkpoint of step {missing[0]}; it has {', '.join(map(str, present))}: name some of them "
            "by --steps"
        )
    return steps


def _generators(run: str | Path, config: TrainConfig, step: int) -> Params:
    ema = config.ema_decay > 0
    return {
        "AtoB": checkpoints.load_generator_params(run, "AtoB", step, ema=ema),
        "BtoA": checkpoints.load_generator_params(run, "BtoA", step, ema=ema),
    }
