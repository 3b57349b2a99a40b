"""Evaluates checkpoints of a run on its test split: the work of `cyclegan-jax evaluate`."""

import contextlib
import dataclasses
import logging
from pathlib import Path
from typing import NamedTuple, Self

from cyclegan_jax import files, user_functions
from cyclegan_jax.checkpoints import folders, run_epochs
from cyclegan_jax.checkpoints.failures import DamagedError, DeletedError
from cyclegan_jax.checkpoints.opened import Checkpoint, open_checkpoint, read_from
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices import float64
from cyclegan_jax.epochs import EpochLength, end_of_epoch
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import result_files
from cyclegan_jax.evaluation.evaluator import Evaluator, Settings
from cyclegan_jax.evaluation.results import Results, RunResults
from cyclegan_jax.networks.cyclegan import Params

_LOG = logging.getLogger(__name__)


def evaluate_run(
    run: str | Path,
    settings: Settings,
    *,
    steps: str | None = None,
    data_dir: str | None = None,
    allow_code: bool = False,
) -> RunResults:
    """Evaluate checkpoints of a run on its test split, and write the results to `evaluation/` in its folder.

    Args:
        run: the work directory of the run.
        settings: what to evaluate.
        steps: `all`, checkpoints and snapshots; or steps and ends of epochs separated by commas, such as
            1600,epoch:2; None takes the newest checkpoint.
        data_dir: the folder of the data; None takes the folder that the run was trained from.
        allow_code: whether to import the module that the run's `data.source` names, if it does.

    Returns:
        The results by step. If several checkpoints were asked for, damaged ones are logged and left out.

    Raises:
        UserError: the run has no such checkpoint, none can be loaded, the data is missing, or a setting names a
            function or file that does not exist.
    """
    newest = None
    with files.naming("--run"):
        if steps is None:
            newest = read_from(run, None, None, _Loaded.read)
            chosen, config, epoch = [newest.step], newest.config, newest.epoch
        else:
            chosen = _steps(run, steps)
            config, epoch = _newest_config(run, chosen), run_epochs.of_run(run)
    user_functions.check_allowed(config.data.source, "data.source", allow_code=allow_code)
    if data_dir is not None:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=data_dir))
    # A float64 run is evaluated in float64, as it was trained.
    with float64.allowed(config):
        evaluator = Evaluator(config, settings)
        found: dict[int, Results] = {}
        for step in chosen:
            try:
                loaded = newest or read_from(run, step, None, _Loaded.read)
            except UserError as error:
                if len(chosen) == 1:
                    raise
                _LOG.warning(f"left out: {error}")
                continue
            found[step] = evaluator.evaluate(loaded.generators)
            result_files.write(run, step, found[step], dataclasses.asdict(settings))
    if not found:
        raise UserError(f"none of the checkpoints of {run} can be loaded: see the warnings above")
    curves = result_files.write_curves(run, found) if len(chosen) > 1 else None
    return RunResults(Path(run), found, curves, epoch)


class _Loaded(NamedTuple):
    """What an evaluation needs of a checkpoint."""

    step: int
    config: TrainConfig
    generators: Params
    epoch: EpochLength | None

    @classmethod
    def read(cls, checkpoint: Checkpoint) -> Self:
        """Read both generators, in float64 if the run was trained in it."""
        with float64.allowed(checkpoint.config):
            generators = {"AtoB": checkpoint.generator("AtoB"), "BtoA": checkpoint.generator("BtoA")}
        return cls(checkpoint.step, checkpoint.config, generators, checkpoint.epoch)


def _newest_config(run: str | Path, steps: list[int]) -> TrainConfig:
    """The config of the newest of these checkpoints that can be opened."""
    for step in reversed(steps[1:]):
        with contextlib.suppress(DamagedError, DeletedError):
            return open_checkpoint(run, step).config
    return open_checkpoint(run, steps[0]).config


def _steps(run: str | Path, wanted: str) -> list[int]:
    present = folders.loadable_steps(run)
    if wanted == "all":
        return present
    parts = wanted.split(",")
    if not all(part.strip().isdecimal() or end_of_epoch(part) is not None for part in parts):
        raise UserError(
            f"--steps is {wanted!r}, but it must be all, or steps such as 1600,2400, or ends of epochs such as "
            "epoch:1,epoch:2"
        )
    steps = sorted({run_epochs.step_of(run, part) if end_of_epoch(part) is not None else int(part) for part in parts})
    missing = [step for step in steps if step not in present]
    if missing:
        raise UserError(
            f"{run} has no checkpoint of step {missing[0]}; it has {', '.join(map(str, present))}: choose from these "
            "by --steps"
        )
    return steps
