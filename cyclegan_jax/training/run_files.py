"""The files of a run for people and their programs to look at: curves, sample images, and a page with both."""

import contextlib
import logging
import platform
import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import flax
import jax
import numpy as np
from jaxtyping import UInt8

import cyclegan_jax
from cyclegan_jax import config_dict
from cyclegan_jax.checkpoints import folders, metrics_file
from cyclegan_jax.checkpoints.metrics_file import LinesFile
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import make_folder
from cyclegan_jax.training import legend
from cyclegan_jax.training.callbacks import Callback
from cyclegan_jax.training.event_files import add_scalar, summary_writer
from cyclegan_jax.training.history import History
from cyclegan_jax.training.interruption import StoppedError
from cyclegan_jax.training.progress import Progress, Scalars
from cyclegan_jax.training.run_page import RunPage
from cyclegan_jax.training.wandb_log import WandbLog
from cyclegan_jax.training.workdir import FoldersInPlace

_LOG = logging.getLogger(__name__)
_NO_LOSS: Final = re.compile(r"change_|gradient_norm_|(discriminator_)?learning_rate$")


class RunFiles:
    """Writes `tensorboard/`, `metrics.jsonl`, `events.jsonl`, `samples/` and `index.html` in a work directory.

    A context manager that closes them.

    Attributes:
        page: the page of the run, `index.html`.
    """

    def __init__(
        self,
        workdir: Path,
        config: TrainConfig,
        start: int = 0,
        *,
        last_step: int = 0,
        command: str = "cyclegan_jax.train",
        callbacks: Sequence[Callback] = (),
    ):
        """Open the files of a run; TensorBoard and the page show its name and config.

        Args:
            workdir: the run's folder.
            config: the experiment.
            start: the step at which it starts or resumes.
            last_step: the step at which it ends.
            command: what started it, for the page.
            callbacks: are told what is logged.

        Raises:
            UserError: the work directory cannot be written.
        """
        self._samples = workdir / "samples"
        self._gan = config.loss.gan
        self._callbacks = callbacks
        # If one of the files cannot be opened, those before it are closed.
        with contextlib.ExitStack() as opened:
            try:
                make_folder(self._samples)
                # A killed run has logged steps after its last checkpoint, and the resumed run logs them again:
                # TensorBoard then ignores the first version of them.
                self._writer, self._event_files = summary_writer(workdir / "tensorboard", purge_step=start + 1)
                opened.callback(self._writer.close)
                self._metrics = LinesFile(workdir / metrics_file.METRICS, start)
                opened.callback(self._metrics.close)
                self._events = LinesFile(workdir / metrics_file.EVENTS, start)
                opened.callback(self._events.close)
                self._writer.add_text("run", _description(workdir, config), start)
                self._history = History.of_run(workdir)
                self._history.step = max(self._history.step, start)
                self.page = RunPage(workdir, config, last_step, self._history)
                self._set_foreign_page_aside()
                self._log_event(start, start=command, versions=_versions())
                self._wandb = WandbLog(workdir, config)
                opened.callback(self._wandb.close)
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
        """Write the page for the last time and what is still buffered, and close the files."""
        with self._open:
            state = self._end(error)
            if state is not None:
                self.page.write(state)

    def _end(self, error: BaseException | None) -> str | None:
        """How the run ended, for its page; None after an error because of which nothing may be written."""
        if isinstance(error, StoppedError):
            self._history.step = error.step
            return "stopped by a signal; the same command resumes it"
        if isinstance(error, OSError) or not self._is_in_place():  # nothing can be written, or nothing may be
            return None
        return "finished" if error is None else f"ended by an error ({str(error) or type(error).__name__})"

    def _is_in_place(self) -> bool:
        with contextlib.suppress(UserError):
            self._in_place.check()
            return True
        return False

    def _set_foreign_page_aside(self) -> None:
        aside = self.page.set_foreign_aside()
        if aside is not None:
            _LOG.warning(f"{self.page.path} was no page of a run, and was set aside as {aside.name}")

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
        values = {"epoch": progress.epoch(step), **values}
        self._log(step, values)
        for callback in self._callbacks:
            callback.on_log(step, values)

    def _log(self, step: int, values: Scalars) -> None:
        """Write values to TensorBoard and to `metrics.jsonl`."""
        for name, value in values.items():
            add_scalar(self._writer, name, value, step, legend.describe(name, self._gan))
        line = {"step": step, "time": _now(), **values}
        self._metrics.write(line)
        self._history.add(line)
        self._wandb.log(line)

    def _log_event(self, step: int, **what: str) -> None:
        """Write a line of `events.jsonl`, and the page with it."""
        line = {"step": step, "time": _now(), **what}
        self._events.write(line)
        self._history.events.append(line)
        self.page.write()

    def log_warning(self, step: int, warning: str) -> None:
        """Keep a warning about the training, for the page of the run.

        Raises:
            OSError: for example because the disk is full.
        """
        self._log_event(step, warning=warning)

    def log_scores(self, step: int, scores: Scalars) -> None:
        """Log the scores of an evaluation under `eval/`.

        Raises:
            OSError: an earlier write failed, for example because the disk is full.
        """
        self._event_files.raise_error()
        self._log(step, {f"eval/{name}": value for name, value in scores.items()})
        self._writer.flush()
        self.page.write()
        for callback in self._callbacks:
            callback.on_evaluation(step, scores)

    def write_samples(self, step: int, epoch: int, grid: UInt8[np.ndarray, "H W 3"]) -> Path:
        """Log a grid of sample images to TensorBoard, write it to `samples/step_NNNNNNN_epoch_N.png`, and return that.

        Raises:
            OSError: this or an earlier write failed, for example because the disk is full.
        """
        self._event_files.raise_error()
        self._writer.add_image("samples", grid, step, dataformats="HWC")
        self._writer.flush()
        path = self._samples / f"step_{step:07d}_epoch_{epoch}.png"
        images_lib.save_png(path, grid)
        self._wandb.log_picture(step, grid)
        self._history.step = max(self._history.step, step)
        self.page.write()
        for callback in self._callbacks:
            callback.on_sample(step, path)
        return path


def _description(workdir: Path, config: TrainConfig) -> str:
    """The run's name and its config as a Markdown table."""
    rows = "".join(f"| {name} | {value} |\n" for name, value in config_dict.fields(config).items())
    heading = f"**{workdir.absolute().name}**, by cyclegan-jax {cyclegan_jax.__version__}"
    return f"{heading}\n\n| field | value |\n|---|---|\n{rows}"


def _versions() -> str:
    """The versions of what computes the run, and on what."""
    device = jax.devices()[0]
    software = f"cyclegan-jax {cyclegan_jax.__version__}, JAX {jax.__version__}, Flax {flax.__version__}"
    return f"{software}, Python {platform.python_version()}, {jax.device_count()} x {device.device_kind}"


def _now() -> float:
    """Seconds since 1970, to the millisecond."""
    return round(time.time(), 3)
