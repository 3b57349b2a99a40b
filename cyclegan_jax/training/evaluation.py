"""Evaluations during training: scores go to the log, TensorBoard and `scores.json`, which decides what is kept."""

import dataclasses
import logging
from pathlib import Path

from cyclegan_jax.checkpoints import scores as checkpoint_scores
from cyclegan_jax.checkpoints import scores_file
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.epochs import EpochLength, named
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import result_files
from cyclegan_jax.evaluation.evaluator import Evaluator, Settings
from cyclegan_jax.networks.cyclegan import Params

_LOG = logging.getLogger(__name__)


class TrainingEvaluation:
    """Evaluates the checkpoints of a run on its test split while it trains.

    It uses no random numbers of the run: the weights are the same with and without evaluations.
    """

    def __init__(self, config: TrainConfig, data: Dataset, workdir: Path, epoch: EpochLength | None = None):
        """Read the test images, and load the features that `config.eval_features` chooses.

        Args:
            config: the experiment.
            data: its data set.
            workdir: the work directory of the run.
            epoch: how long an epoch is, for the log.

        Raises:
            UserError: there are no test images, no such features, or no score that
                `config.stop_after` or the schedule `plateau` could follow.
        """
        weights = config.eval_features if config.eval_features and config.eval_features.endswith(".pth") else None
        self._settings = Settings(
            images=config.eval_images,
            features="inception" if weights else config.eval_features or "none",
            inception_weights=weights,
        )
        try:
            # One flag here for two of the command `evaluate`.
            flags = {"features_flag": "--eval_features", "weights_flag": "--eval_features"}
            self._evaluator = Evaluator(config, self._settings, data, **flags)
        except UserError as error:
            raise UserError(f"eval_every is {config.eval_every}, but the run cannot be evaluated: {error}") from error
        follows = config.optimizer.schedule == "plateau" and config.optimizer.plateau_score is None
        needed = f"stop_after is {config.stop_after}" if config.stop_after else "optimizer.schedule is plateau"
        if (config.stop_after or follows) and not self._evaluator.chooses_best:
            raise UserError(
                f"{needed}, but these evaluations have no score that chooses the best checkpoint: set --eval_features, "
                "such as inception, or --data.labels, or give test images of both domains the same names where they "
                "are pairs"
            )
        self._workdir = workdir
        self._epoch = epoch

    def __call__(self, step: int, generators: Params) -> dict[str, float]:
        """Evaluate the generators of the checkpoint of `step`, which must be on disk, and write the results.

        Returns:
            The scores by name. A failed evaluation is logged and returns no scores: the training continues.
        """
        try:
            results = self._evaluator.evaluate(generators, lambda error: _warn_of_features(step, error))
            scores_file.read_or_set_aside(self._workdir)
            result_files.write(self._workdir, step, results, dataclasses.asdict(self._settings))
            scores = checkpoint_scores.read(self._workdir)
        except UserError as error:
            _LOG.warning(f"the evaluation of step {step:,} failed, and the training continues: {error}")
            return {}
        best = checkpoint_scores.best_of(scores, [*checkpoint_scores.scored_steps(scores)])
        parts = [
            f"{name} {value:.4g}{' (best so far)' if best.get(name) == step else ''}"
            for name, (value, _) in results.records.items()
        ]
        _LOG.info(f"evaluated {named(step, self._epoch)}: {', '.join(parts)}")
        return results.scores

    def has_scored(self, step: int) -> bool:
        """Whether the checkpoint of `step` has scores; an odd file of scores is set aside, and then it has none."""
        try:
            return step in checkpoint_scores.scored_steps(scores_file.read_or_set_aside(self._workdir))
        except UserError as error:
            _LOG.warning(f"it is not known whether step {step:,} has been evaluated: {error}")
            return False


def _warn_of_features(step: int, error: UserError) -> None:
    _LOG.warning(f"step {step:,} is evaluated without FID and KID, and the training continues: {error}")
