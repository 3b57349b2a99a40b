"""Passing the scores of evaluations to the learning-rate schedule `plateau`."""

import logging
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np

from cyclegan_jax import learning_rates
from cyclegan_jax.checkpoints import scores
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices import distributed
from cyclegan_jax.errors import UserError
from cyclegan_jax.learning_rates import Plateau
from cyclegan_jax.periods import Periods
from cyclegan_jax.state import TrainState

_LOG = logging.getLogger(__name__)

_MISSING: Final = "missing"


def fed(train_state: TrainState, step: int, config: TrainConfig, periods: Periods, workdir: Path) -> TrainState:
    """Return the state that has seen the score of its checkpoint, where the run evaluates it; called before a step.

    The score is read from `scores.json`. So a run that resumes from the checkpoint of an evaluation, which was saved
    before it, counts the same number. All processes call this together.

    Args:
        train_state: the state after `step` steps.
        step: its step.
        config: the experiment.
        periods: when it evaluates.
        workdir: the run's folder.

    Raises:
        UserError: the run's first evaluation has no score of the chosen name.
    """
    if train_state.plateau is None or not periods.evaluates(step):
        return train_state
    own = _values(train_state.plateau, step, config, workdir) if distributed.is_first() else None
    values = distributed.from_first(own)
    if _MISSING in values:
        raise UserError(values[_MISSING])
    return train_state._replace(plateau=_with(train_state.plateau, values))


def _values(plateau: Plateau, step: int, config: TrainConfig, workdir: Path) -> dict[str, Any]:
    """The fields of the plateau after the score of `step`; none where it does not change."""
    try:
        found = scores.read(workdir)
    except UserError as error:
        return _passed_over(step, str(error))
    chosen = config.optimizer.plateau_score
    score = scores.score_at(found, step, chosen)
    if score is None:
        there = sorted(name for name, entry in found.items() if str(step) in entry["values"])
        name = "that chooses the best checkpoint" if chosen is None else chosen
        if chosen is not None and int(plateau.scores) == 0 and there:
            return {
                _MISSING: f"the evaluation of step {step:,} has no score {name}, which optimizer.schedule=plateau "
                f"follows: set --optimizer.plateau_score to one of {', '.join(there)}, and add --allow_changes"
            }
        return _passed_over(step, f"it has no score {name}")
    name, value, better = score
    values = learning_rates.after_score(plateau, value, better, config.optimizer.plateau_patience)
    if values["reductions"] > int(plateau.reductions):
        factor = learning_rates.PLATEAU_FACTOR ** values["reductions"]
        _LOG.info(
            f"{name} has not improved by 1% in {config.optimizer.plateau_patience + 1} evaluations: the learning rate "
            f"is {config.optimizer.learning_rate * factor:.3g} from now on"
        )
    return values


def _passed_over(step: int, why: str) -> dict[str, Any]:
    _LOG.warning(f"the learning-rate schedule plateau passes over step {step:,}: {why}")
    return {}


def _with(plateau: Plateau, values: dict[str, Any]) -> Plateau:
    """The plateau with other values, placed as it was: the compiled step takes no other placement."""

    def placed(old: jax.Array, value: float) -> jax.Array:
        new = np.asarray(value, old.dtype)
        return jax.make_array_from_callback(old.shape, old.sharding, lambda index: new[index])

    return plateau._replace(**{name: placed(getattr(plateau, name), value) for name, value in values.items()})
