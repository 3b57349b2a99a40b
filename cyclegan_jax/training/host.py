"""The host's part of a training: it checks and logs metrics, saves, draws samples and evaluates."""

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jax
import numpy as np

from cyclegan_jax import gradient_penalty, live, updates
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.data import skipped
from cyclegan_jax.devices import distributed
from cyclegan_jax.epochs import named
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import Metrics
from cyclegan_jax.training import schedule
from cyclegan_jax.training.divergence import check_losses, check_state
from cyclegan_jax.training.gan_warnings import FailureDetector
from cyclegan_jax.training.preparation import PreparedRun
from cyclegan_jax.training.progress import Progress, Scalars
from cyclegan_jax.training.run_files import RunFiles
from cyclegan_jax.training.save_clock import SampleClock, SaveClock
from cyclegan_jax.training.schedule import Due

_LOG = logging.getLogger(__name__)

_LINE_SECONDS: Final = 60.0
"""A progress line is logged at least this often, however long `log_every` steps take."""


@dataclass(frozen=True)
class Finished:
    """A call of the program whose metrics the host has not looked at yet.

    Attributes:
        step: its last step.
        number: how many steps it made.
        metrics: on the devices; with several steps, each has a first axis of steps.
    """

    step: int
    number: int
    metrics: Metrics


class Host:
    """Looks at the metrics of finished steps, and does what is due between steps; one object per run."""

    def __init__(self, run: PreparedRun, checkpoints: CheckpointWriter, files: RunFiles | None):
        """Start the clocks of the run.

        Args:
            run: the run.
            checkpoints: where its checkpoints are saved.
            files: its pictures and curves; None in all processes but the first.
        """
        config = run.config
        self._run = run
        self._checkpoints = checkpoints
        self._files = files
        self.progress = Progress(run.last_step, run.periods.epoch, lambda step: schedule.pauses_left(step, run.periods))
        self._failures = FailureDetector(config)
        self._penalties: Scalars = {}
        self._at_last_update: Scalars = {}
        self.save_clock = SaveClock(config.checkpoint_minutes)
        self._sample_clock = SampleClock(config.sample_minutes)

    def wants_samples(self) -> bool:
        """Whether samples are due by the clock: in the first process, which alone draws them."""
        return self._files is not None and self._sample_clock.asks()

    def observe(self, finished: Finished) -> None:
        """Wait for the metrics of a call, and look at each of its steps.

        Raises:
            DivergedError: a metric is not finite.
            UserError: a folder of the run is no longer there.
        """
        metrics = jax.device_get(finished.metrics)
        values = {name: np.reshape(value, finished.number) for name, value in metrics.items()}
        for index in range(finished.number):
            step = finished.step - finished.number + 1 + index
            self._observe_step(step, {name: float(value[index]) for name, value in values.items()})

    def _observe_step(self, step: int, scalars: Scalars) -> None:
        self._check_folders()
        scalars = self._measured(step, scalars)
        check_losses(scalars, step, self._checkpoints)
        self._checkpoints.poll()
        self.progress.done(step, scalars)
        for warning in self._failures.update(step, scalars):
            _LOG.warning(warning)
            if self._files is not None:
                self._files.log_warning(step, warning.removeprefix("warning: "))
        due = schedule.due_after(step, self._run.periods).log
        if self._files is not None and (due or self.progress.seconds_since_line() > _LINE_SECONDS):
            self._files.log_metrics(step, scalars, self.progress)
            _LOG.info(self.progress.line())
            self.progress.new_line()

    def _measured(self, step: int, scalars: Scalars) -> Scalars:
        """The metrics of a step; those that it did not compute are of the last step that did, if there is any."""
        config = self._run.config
        every = config.discriminator.every
        penalties = [name for name in scalars if name.startswith("gradient_penalty_")]
        if not updates.updates_discriminators(step - 1, every):
            # A term of the generators that is NaN makes their total NaN.
            known = {name: value for name, value in scalars.items() if name == "generators" or not math.isnan(value)}
            return self._at_last_update | known
        if gradient_penalty.computes_penalty(updates.number_of(step - 1, every), config.loss.gradient_penalty_every):
            self._penalties = {name: scalars[name] for name in penalties}
        others = {name: value for name, value in scalars.items() if name not in penalties}
        self._at_last_update = others | self._penalties
        return self._at_last_update

    def _check_folders(self) -> None:
        if self._files is None:
            return
        try:
            self._files.check_folders()
        except UserError:
            self._checkpoints.abandon()
            raise

    def do(self, due: Due, step: int, train_state: TrainState) -> None:
        """Save, sample and evaluate as far as due. With `due.stop`, return when the checkpoint is on disk.

        Raises:
            DivergedError: the state is not finite; it is not saved.
            UserError: a folder of the run is no longer there.
            SaveError: a checkpoint could not be written.
        """
        self._check_folders()  # once more, since a save would make a deleted folder anew
        if due.snapshot:
            # Before the checkpoint: a run that resumes from this step would not make the snapshot any more.
            with self._pause("snapshot", f"saving the generators of step {step:,}"):
                check_state(train_state, step, self._checkpoints)
                self._checkpoints.save_snapshot(train_state, self._run.batches.get_state())
        if due.checkpoint:
            with self._pause("checkpoint", f"saving step {step:,}"):
                check_state(train_state, step, self._checkpoints)
                self._checkpoints.save(train_state, self._run.batches.get_state(), extra=due.extra)
                self.save_clock.saved()
                write_skipped(self._run)
        if due.stop:
            with live.showing(f"saving step {step:,}"):
                self._checkpoints.wait()
            distributed.wait_for_all("stopped")
        if due.sample and self._files is not None:
            with self._pause("sample", "drawing samples"):
                _write_samples(self._run, step, train_state, self._files)
            self._sample_clock.sampled()
        if due.evaluation:
            with self._pause("evaluation", f"evaluating step {step:,}"):
                # Scores are of a checkpoint on disk: a run that is killed now must not have scores without one.
                self._checkpoints.wait()
                _evaluate(self._run, step, train_state, self._checkpoints, self._files)
        if step == self._run.last_step:
            with live.showing("saving the last checkpoint"):
                self._checkpoints.wait()

    @contextlib.contextmanager
    def _pause(self, kind: str, words: str) -> Iterator[None]:
        with self.progress.paused(kind), live.showing(words):
            yield


def draw_untrained(run: PreparedRun, train_state: TrainState, files: RunFiles | None) -> None:
    """Draw the samples of a new run's initial weights, to be seen while the step compiles, which can take minutes.

    They show whether the data is the right one, and what each later grid is to be compared with.
    """
    if files is None or run.config.sample_minutes == 0 or int(train_state.step) > 0:
        return
    with live.showing("drawing samples of the untrained networks"):
        path = _write_samples(run, 0, train_state, files)
    _LOG.info(f"{path} shows test images before training")


def _write_samples(run: PreparedRun, step: int, train_state: TrainState, files: RunFiles) -> Path:
    return files.write_samples(step, run.periods.epoch.current(step), run.draw_samples(_weights(train_state)))


def evaluate_missed(
    run: PreparedRun, train_state: TrainState, checkpoints: CheckpointWriter, files: RunFiles | None
) -> None:
    """Evaluate the checkpoint from which a run resumes, if the run ended between saving and evaluating it."""
    step = int(train_state.step)
    if run.evaluate is not None and not run.evaluate.has_scored(step):
        _LOG.info(f"{named(step, run.periods.epoch)} was saved but not evaluated: evaluating it now")
        _evaluate(run, step, train_state, checkpoints, files)


def _evaluate(
    run: PreparedRun, step: int, train_state: TrainState, checkpoints: CheckpointWriter, files: RunFiles | None
) -> None:
    """Evaluate the checkpoint of `step`, which is on disk; in the first process only."""
    if run.evaluate is None or files is None:
        return
    scores = run.evaluate(step, _weights(train_state))
    if scores:  # none after an evaluation that failed
        files.log_scores(step, scores)
    # A checkpoint that was the best by some score may no longer be.
    checkpoints.delete_old()


def _weights(train_state: TrainState) -> Params:
    """The generators' weights for samples and scores: their moving average if there is one."""
    return distributed.own_copy(train_state.generators if train_state.ema is None else train_state.ema)


def write_skipped(run: PreparedRun) -> Path | None:
    """Write the list of images that were not read, if it is long; return its path."""
    if not distributed.is_first():
        return None
    return skipped.write(run.workdir, [*run.batches.skipped, *skipped.messages(run.left_out)])


def log_skipped(run: PreparedRun) -> None:
    """Log how many training images could not be read, and which file names all that were left out."""
    number = len(run.batches.skipped)
    path = write_skipped(run)
    if path is not None:
        _LOG.info(f"{path} names all files that were not read")
    if number:
        verb = "was" if number == 1 else "were"
        _LOG.info(f"{number:,} training {'image' if number == 1 else 'images'} could not be read and {verb} skipped")
