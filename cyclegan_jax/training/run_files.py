"""The files of a run for people and their programs to look at: curves and sample images."""

import contextlib
import re
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from jaxtyping import UInt8

import cyclegan_jax
from cyclegan_jax import config_dict
from cyclegan_jax.checkpoints import folders
from cyclegan_jax.checkpoints.metrics_file import MetricsFile
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import make_folder
from cyclegan_jax.training import legend
from cyclegan_jax.training.event_files import add_scalar, summary_writer
from cyclegan_jax.training.progress import Progress, Scalars
from cyclegan_jax.training.workdir import FoldersInPlace

_NO_LOSS: Final = re.compile(r"change_|gradient_norm_|(discriminator_)?learning_rate$")


class RunFiles:
    """Writes `tensorboard/`, `metrics.jsonl` and `samples/` in a work directory; a context manager that closes them."""

    def __init__(self, workdir: Path, config: TrainConfig, start: int = 0):
        """Open the files of a run that starts or resumes at step `start`; TensorBoard shows its name and config.

        Raises:
            UserError: the work directory cannot be written.
        """
        self._samples = workdir / "samples"
        # If one of the files cannot be opened, those before it are closed.
        with contextlib.ExitStack() as opened:
            try:
                make_folder(self._samples)
                # A killed run has logged steps after its last checkpoint, and the resumed run logs them again:
                # TensorBoard then ignores the first version of them.
                self._writer, self._event_files = summary_writer(workdir / "tensorboard", purge_step=start + 1)
                opened.callback(self._writer.close)
                self._metrics = MetricsFile(workdir, start)
                opened.callback(self._metrics.close)
                self._writer.add_text("run", _description(workdir, config), start)
            except OSError as error:
                raise UserError(
                    f"the work directory {workdir} cannot be written ({error}): choose another with --workdir"
                ) from error
            self._in_place = FoldersInPlace(workdir, folders.directory(workdir))
            opened.callback(self._in_place.close)
            self._open = opened.pop_all()

    def __enter__(self) -> Self:
        """Return this object, open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is still buffered, and close the files."""
        self._open.close()

    def check_folders(self) -> None:
        """Raise if the work directory, or its folder of checkpoints, is no longer there.

        Raises:
            UserError: it was deleted, moved or replaced.
        """
        self._in_place.check()

    def log_metrics(self, step: int, scalars: Scalars, progress: Progress) -> None:
        """Log losses under `loss/`, learning rates, gradient norms, speed, and the share of waiting for data.

        Raises:
            OSError: an earlier write failed, for example because the disk is full.
        """
        self._event_files.raise_error()
        values = {name if _NO_LOSS.match(name) else f"loss/{name}": value for name, value in scalars.items()}
        speed = progress.pairs_per_second()
        if speed is not None:
            values |= {"pairs_per_second": speed, "waiting_for_data": progress.waited()}
        self._log(step, values, epoch=progress.epoch(step))

    def _log(self, step: int, values: Scalars, **others: int) -> None:
        """Write values to TensorBoard and to `metrics.jsonl`, and `others` to the latter alone."""
        for name, value in values.items():
            add_scalar(self._writer, name, value, step, legend.describe(name))
        self._metrics.write({"step": step, **others, **values})

    def log_scores(self, step: int, scores: Scalars) -> None:
        """Log the scores of an evaluation under `eval/`.

        Raises:
            OSError: an earlier write failed, for example because the disk is full.
        """
        self._event_files.raise_error()
        self._log(step, {f"eval/{name}": value for name, value in scores.items()})
        self._writer.flush()

    def write_samples(self, step: int, grid: UInt8[np.ndarray, "H W 3"]) -> Path:
        """Log a grid of sample images to TensorBoard, write it to `samples/step_NNNNNNN.png`, and return its path.

        Raises:
            OSError: this or an earlier write failed, for example because the disk is full.
        """
        self._event_files.raise_error()
        self._writer.add_image("samples", grid, step, dataformats="HWC")
        self._writer.flush()
        path = self._samples / f"step_{step:07d}.png"
        images_lib.save_png(path, grid)
        return path


def _description(workdir: Path, config: TrainConfig) -> str:
    """The run's name and its config as a Markdown table."""
    rows = "".join(f"| {name} | {value} |\n" for name, value in config_dict.fields(config).items())
    heading = f"**{workdir.absolute().name}**, by cyclegan-jax {cyclegan_jax.__version__}"
    return f"{heading}\n\n| field | value |\n|---|---|\n{rows}"
