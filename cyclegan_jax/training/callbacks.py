"""What a program that calls `cyclegan_jax.train` may be told of the run."""

from collections.abc import Mapping
from pathlib import Path


class Callback:
    """Is told what happens in a run; override what you need.

    The methods run in the first process, between two steps, so the training waits for them. An exception that one
    raises ends the run at that point, as an error of the run itself would; its checkpoints stay.
    """

    def on_log(self, step: int, values: Mapping[str, float]) -> None:
        """Receive what is logged every `log_every` steps, by the names of `metrics.jsonl`."""

    def on_sample(self, step: int, path: Path) -> None:
        """Receive the file of a new grid of sample images."""

    def on_evaluation(self, step: int, scores: Mapping[str, float]) -> None:
        """Receive the scores of a checkpoint, by their names in `metrics.jsonl` without `eval/`."""
