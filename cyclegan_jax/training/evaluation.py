"""Evaluations while a run trains: scores to TensorBoard, and the best checkpoints kept."""

import dataclasses
import logging
from pathlib import Path

from cyclegan_jax.checkpoints import scores as checkpoint_scores
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import result_files
from cyclegan_jax.evaluation.evaluator import Evaluator, Settings
from cyclegan_jax.networks.cyclegan import Params

_LOG = logging.getLogger(__name__)


class TrainingEvaluation:
    """Evaluates a run at its checkpoints, on the test split, beside its training: it draws no number of the run's."""

    def __init__(self, config: TrainConfig, data: Dataset, workdir: Path):
        """Read the test images, and what `config.eval_features` names.

        Raises:
            UserError: there are no test images, or no such features.
        """
        weights = config.eval_features if config.eval_features and config.eval_features.endswith(".pth") else None
        self._settings = Settings(
            images=config.eval_images,
            features="inception" if weights else config.eval_features or "none",
            inception_weights=weights,
        )
        try:
            self._evaluator = Evaluator(config, self._settings, data)
        except UserError as error:
            # The flags of the command `evaluate`, in the names that they have here.
            message = str(error).replace("--features", "--eval_features")
            message = message.replace("--inception_weights", "--eval_features")
            raise UserError(f"eval_every is {config.eval_every}, but the run cannot be evaluated: {message}") from error
        self._workdir = workdir

    def __call__(self, step: int, generators: Params) -> dict[str, float]:
        """Evaluate the generators of a checkpoint that is on disk, and write what was found.

        Returns:
            The scores by name; none where the evaluation has failed, which is said and ends no training.
        """
        try:
            results = self._evaluator.evaluate(generators)
            result_files.write(self._workdir, step, results, dataclasses.asdict(self._settings))
            best = checkpoint_scores.best_steps(self._workdir, [*_scored(self._workdir)])
        except UserError as error:
            _LOG.warning(f"the evaluation of step {step:,} failed, and training goes on: {error}")
            return {}
        parts = [
            f"{name} {value:.4g}{' (the best so far)' if best.get(name) == step else ''}"
            for name, (value, _) in results.records.items()
        ]
        _LOG.info(f"evaluated step {step:,}: {', '.join(parts)}")
        return results.scores


def _scored(workdir: Path) -> set[int]:
    return {int(step) for entry in checkpoint_scores.read(workdir).values() for step in entry["values"]}
