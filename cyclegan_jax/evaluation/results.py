"""The results of an evaluation: of one checkpoint, and of several checkpoints of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclegan_jax.config import Domain
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.epochs import EpochLength
from cyclegan_jax.evaluation.score_table import Better, ScoreTable
from cyclegan_jax.evaluation.segmentation_scores import ControlledScores


@dataclass(frozen=True)
class Results:
    """The scores and pictures of one checkpoint.

    Attributes:
        tables: the score tables, one per question.
        pictures: uint8 (H, W, 3) by file name.
        classes: the per-class scores by table key.
        images: the numbers of test images.
        notes: what was left out, and why.
        suffix: the ending of record names if only a part of the test images was used, so that their scores are not
            compared with those of all images.
        files: the content of further files by their names, such as the scores of single images.
    """

    tables: tuple[ScoreTable, ...]
    pictures: dict[str, Uint8Image]
    classes: dict[str, ControlledScores]
    images: dict[Domain, int]
    notes: tuple[str, ...]
    suffix: str
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def scores(self) -> dict[str, float]:
        """The model's scores by table and column, such as `reconstruction_A/l1`."""
        return {f"{table.key}/{name}": value for table in self.tables for name, value in table.model.items()}

    @property
    def records(self) -> dict[str, tuple[float, Better]]:
        """The scores that choose the best checkpoint, by record name, each with the direction that is better."""
        return {name: value for table in self.tables for name, value in table.records(self.suffix).items()}

    def to_json(self) -> dict[str, Any]:
        """Return the content of `scores.json`: everything except pictures and files."""
        return {
            "images": dict(self.images),
            **{table.key: table.to_json() for table in self.tables},
            "controls": {name: row for table in self.tables for name, row in table.controls(self.suffix).items()},
            "notes": list(self.notes),
        }

    def markdown(self) -> str:
        """Return the content of `scores.md`: the tables and the notes."""
        return "\n\n".join([*(table.markdown() for table in self.tables), *self.notes])


@dataclass(frozen=True)
class RunResults:
    """The results of some checkpoints of a run.

    Attributes:
        run: the work directory of the run.
        by_step: the results of each checkpoint that could be loaded.
        curves: the file with the scores over the steps, or None if a single checkpoint was asked for.
        epoch: the length of an epoch, or None where an early version saved the run.
    """

    run: Path
    by_step: Mapping[int, Results]
    curves: Path | None
    epoch: EpochLength | None = None
