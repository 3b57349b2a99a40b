"""The training loop: prepare the run, restore its state, compile the step, and run until the last step or a signal."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from cyclegan_jax import config_dict, config_paths
from cyclegan_jax.checkpoints import fine_tuning
from cyclegan_jax.checkpoints.restore import restore_newest
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import skipped
from cyclegan_jax.devices import distributed, float64
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import Metrics
from cyclegan_jax.training import schedule
from cyclegan_jax.training.divergence import check_losses, check_state
from cyclegan_jax.training.gan_warnings import FailureDetector
from cyclegan_jax.training.interruption import Interruption, StoppedError
from cyclegan_jax.training.preparation import PreparedRun, log_end_of_schedule, log_run, prepare
from cyclegan_jax.training.progress import Progress, Scalars
from cyclegan_jax.training.run_files import RunFiles
from cyclegan_jax.training.save_clock import Agreement, SaveClock
from cyclegan_jax.training.schedule import Due
from cyclegan_jax.training.steps import StepMaker
from cyclegan_jax.training.workdir import WorkdirLock, reporting_unwritable, write_config

_LOG = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    workdir: str | Path,
    *,
    interruption: Interruption | None = None,
    allow_changes: bool = False,
) -> TrainState:
    """Train a new run in `workdir`, or resume the one there, until `config.steps`.

    Writes `checkpoints/`, `samples/*.png`, `tensorboard/`, `config.json` and `configs/` there, and with
    `config.eval_every` `evaluation/` and `scores.json`. Relative paths in the config are stored as absolute ones.

    Args:
        config: the experiment.
        workdir: the run's folder; if it holds checkpoints, the run resumes from the newest undamaged one.
        interruption: handles SIGINT and SIGTERM while steps are made; None leaves their handlers as they are.
        allow_changes: resume even if losses, optimizer or the like are not those of the run; see
            `checkpoints.config_changes`.

    Returns:
        The state after the last step.

    Raises:
        UserError: data, config and work directory do not fit together, or the work directory cannot be written.
        DivergedError: a loss or a parameter is no longer finite.
        StoppedError: a signal stopped the run; its state is saved.
    """
    config_dict.check_storable(config)
    config = config_paths.absolute(config)
    with float64.allowed(config):
        run = prepare(config, Path(workdir))
        with _open_checkpoints(run) as checkpoints:
            train_state = _restore_or_begin(run, allow_changes)
            log_run(run)
            start = int(train_state.step)
            missed = start > 0 and schedule.due_after(start, run.config, run.last_step).evaluation
            if start >= run.last_step:
                if missed:
                    with _open_files(run, start) as files:
                        _evaluate_missed(run, train_state, checkpoints, files)
                    distributed.wait_for_all("the missed evaluation")
                _LOG.info(f"{run.workdir} is at step {start:,} already: raise --steps to train longer")
                return train_state
            log_end_of_schedule(run)
            with _open_files(run, start) as files, interruption or contextlib.nullcontext():
                if missed:
                    _evaluate_missed(run, train_state, checkpoints, files)
                train_state = _run(run, train_state, checkpoints, files, interruption)
        distributed.wait_for_all("the end")
        _log_skipped(run)
        return train_state


@contextlib.contextmanager
def _open_checkpoints(run: PreparedRun) -> Iterator[CheckpointWriter]:
    """Lock the work directory, and open its checkpoints for writing."""
    lock = WorkdirLock(run.workdir) if distributed.is_first() else contextlib.nullcontext()
    with lock, reporting_unwritable(run.workdir), CheckpointWriter(run.workdir, run.config) as checkpoints:
        yield checkpoints


def _restore_or_begin(run: PreparedRun, allow_changes: bool) -> TrainState:
    """Return the newest checkpoint's state, or a new one, and set the position in the data to match."""
    train_state = run.new_state()
    restored = restore_newest(run.workdir, run.config, train_state, allow_changes=allow_changes)
    if restored is not None:
        changes = f", with {', '.join(restored.changed)}" if restored.changed else ""
        _LOG.info(f"continuing {run.workdir} from step {int(restored.state.step):,}{changes}")
        run.batches.set_state(restored.data_position)
        return restored.state
    if run.config.init_from is not None:
        train_state = fine_tuning.start_from(run.config.init_from, train_state)
    return train_state


@contextlib.contextmanager
def _open_files(run: PreparedRun, start: int) -> Iterator[RunFiles | None]:
    """Open TensorBoard and samples in the first process; the others write no files."""
    if not distributed.is_first():
        yield None
        return
    write_config(run.config, run.workdir, start)
    with RunFiles(run.workdir, start) as files:
        yield files


def _run(
    run: PreparedRun,
    train_state: TrainState,
    checkpoints: CheckpointWriter,
    files: RunFiles | None,
    interruption: Interruption | None,
) -> TrainState:
    """Make all steps from that of `train_state` to the last one, and return the final state."""
    progress, clock = Progress(run.last_step, run.config.batch_size), SaveClock(run.config.checkpoint_minutes)
    host = _Host(run, checkpoints, files, progress, FailureDetector(run.config), clock)
    agreement = Agreement()
    step = int(train_state.step)
    maker = StepMaker(run, train_state, run.last_step)
    unseen: _Finished | None = None
    while step < run.last_step:
        with host.progress.waiting():
            number, batch = maker.next_batch(step)
        # The call returns at once. The host looks at the metrics of the call before, which are done, while the devices
        # work on this one: if it waited for these metrics, the devices would idle until the next call.
        train_state, metrics = maker.call(number, train_state, batch)
        step += number
        if unseen is not None:
            host.observe(unseen)
        unseen = _Finished(step, number, metrics)

        signal_number, save = agreement.update((interruption and interruption.requested) or 0, host.clock.asks())
        due = schedule.due_after(step, run.config, run.last_step, signal_received=signal_number > 0, save_asked=save)
        if due.needs_state:
            host.observe(unseen)
            unseen = None
            with host.progress.paused():
                host.do(due, step, train_state)
        if due.stop:
            raise StoppedError(signal_number, step)
    return train_state


@dataclass(frozen=True)
class _Finished:
    """A call of the program whose metrics the host has not looked at yet.

    Attributes:
        step: its last step.
        number: how many steps it made.
        metrics: on the devices; with several steps, each has a first axis of steps.
    """

    step: int
    number: int
    metrics: Metrics


@dataclass
class _Host:
    """What the host does beside the devices' work: it checks and logs metrics, saves, samples and evaluates."""

    run: PreparedRun
    checkpoints: CheckpointWriter
    files: RunFiles | None
    progress: Progress
    failures: FailureDetector
    clock: SaveClock

    def observe(self, finished: _Finished) -> None:
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
        check_losses(scalars, step, self.checkpoints)
        self.checkpoints.poll()
        self.progress.done(step)
        for warning in self.failures.update(step, scalars):
            _LOG.warning(warning)
        if self.files is not None and schedule.due_after(step, self.run.config, self.run.last_step).log:
            self.files.log_metrics(step, scalars, self.progress)
            _LOG.info(self.progress.line(step, scalars))

    def _check_folders(self) -> None:
        if self.files is None:
            return
        try:
            self.files.check_folders()
        except UserError:
            self.checkpoints.abandon()
            raise

    def do(self, due: Due, step: int, train_state: TrainState) -> None:
        """Save, sample and evaluate as far as due. With `due.stop`, return when the checkpoint is on disk.

        Raises:
            DivergedError: the state is not finite; it is not saved.
            UserError: a folder of the run is no longer there.
            SaveError: a checkpoint could not be written.
        """
        self._check_folders()  # once more, since a save would make a deleted folder anew
        if due.checkpoint:
            check_state(train_state, step, self.checkpoints)
            self.checkpoints.save(train_state, self.run.batches.get_state(), extra=due.extra)
            self.clock.saved()
            _write_skipped(self.run)
        if due.stop:
            self.checkpoints.wait()
            distributed.wait_for_all("stopped")
        if due.sample and self.files is not None:
            self.files.write_samples(step, self.run.draw_samples(_weights(train_state)))
        if due.evaluation:
            # Scores are of a checkpoint on disk: a run that is killed now must not have scores without one.
            self.checkpoints.wait()
            _evaluate(self.run, step, train_state, self.checkpoints, self.files)


def _evaluate_missed(
    run: PreparedRun, train_state: TrainState, checkpoints: CheckpointWriter, files: RunFiles | None
) -> None:
    """Evaluate the checkpoint from which a run resumes, if the run ended between saving and evaluating it."""
    step = int(train_state.step)
    if run.evaluate is not None and not run.evaluate.has_scored(step):
        _LOG.info(f"step {step:,} was saved but not evaluated: evaluating it now")
        _evaluate(run, step, train_state, checkpoints, files)


def _evaluate(
    run: PreparedRun, step: int, train_state: TrainState, checkpoints: CheckpointWriter, files: RunFiles | None
) -> None:
    """Evaluate the checkpoint of `step`, which is on disk; in the first process only."""
    if run.evaluate is None or files is None:
        return
    files.log_scores(step, run.evaluate(step, _weights(train_state)))
    # A checkpoint that was the best by some score may no longer be.
    checkpoints.delete_old()


def _weights(train_state: TrainState) -> Params:
    """The generators' weights for samples and scores: their moving average if there is one."""
    return distributed.own_copy(train_state.generators if train_state.ema is None else train_state.ema)


def _write_skipped(run: PreparedRun) -> Path | None:
    """Write the list of images that were not read, if it is long; return its path."""
    if not distributed.is_first():
        return None
    return skipped.write(run.workdir, [*run.batches.skipped, *skipped.messages(run.left_out)])


def _log_skipped(run: PreparedRun) -> None:
    number = len(run.batches.skipped)
    path = _write_skipped(run)
    if path is not None:
        _LOG.info(f"{path} names all files that were not read")
    if number:
        verb = "was" if number == 1 else "were"
        _LOG.info(f"{number:,} training {'image' if number == 1 else 'images'} could not be read and {verb} skipped")
