"""The training loop: prepare the run, restore its state, compile the step, and run until the last step or a signal."""

import contextlib
import dataclasses
import logging
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cyclegan_jax import config_dict, config_paths, live
from cyclegan_jax.checkpoints import fine_tuning
from cyclegan_jax.checkpoints.restore import restore_newest
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.console import duration
from cyclegan_jax.data import palette_file
from cyclegan_jax.devices import distributed, float64
from cyclegan_jax.epochs import named
from cyclegan_jax.state import TrainState
from cyclegan_jax.training import early_stopping, plateau, schedule
from cyclegan_jax.training.callbacks import Callback
from cyclegan_jax.training.host import Finished, Host, draw_untrained, evaluate_missed, log_skipped
from cyclegan_jax.training.interruption import Interruption, StoppedError
from cyclegan_jax.training.preparation import PreparedRun, log_end_of_schedule, log_run, prepare
from cyclegan_jax.training.run_files import RunFiles
from cyclegan_jax.training.save_clock import Agreement
from cyclegan_jax.training.steps import StepMaker
from cyclegan_jax.training.workdir import WorkdirLock, reporting_unwritable, write_config

_LOG = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    workdir: str | Path,
    *,
    interruption: Interruption | None = None,
    allow_changes: bool = False,
    command: str = "cyclegan_jax.train",
    callbacks: Sequence[Callback] = (),
) -> TrainState:
    """Train a new run in `workdir`, or resume the one there, until `config.steps`, or as `config.stop_after` says.

    Writes `checkpoints/`, `samples/*.png`, `index.html` (a page to watch the run by), `metrics.jsonl`, `events.jsonl`,
    `tensorboard/`, `config.json` and `configs/` there, with `config.snapshot_every` `snapshots/`, and with
    `config.eval_every` `evaluation/` and `scores.json`. Relative paths in the config are stored as absolute ones.

    In the main thread the first Ctrl-C (SIGINT, the interrupt button of a notebook) or SIGTERM saves the state after
    the current step and raises StoppedError; calling `train` again resumes there. A second Ctrl-C raises
    KeyboardInterrupt without saving, and so does one before the first step.

    Args:
        config: the experiment.
        workdir: the run's folder; if it holds checkpoints, the run resumes from the newest undamaged one.
        interruption: handles signals instead, as the command line does.
        allow_changes: resume even if losses, optimizer, training images or the like are not those of the run; see
            `checkpoints.config_changes`.
        command: what starts the run, to be shown on its page.
        callbacks: are told what the run logs, draws and scores.

    Returns:
        The state after the last step.

    Raises:
        UserError: data, config and work directory do not fit together, or the work directory cannot be written.
        DivergedError: a loss or a parameter is no longer finite.
        StoppedError: a signal stopped the run; its state is saved.
        KeyboardInterrupt: Ctrl-C stopped it without saving.
    """
    begin = time.monotonic()
    config_dict.check_storable(config)
    config = config_paths.absolute(config)
    config = dataclasses.replace(config, data=palette_file.stored(config.data))
    with float64.allowed(config):
        with live.showing("opening the data"):
            run = prepare(config, Path(workdir))
        with _open_checkpoints(run) as checkpoints:
            with live.showing("making the networks"):
                train_state = _restore_or_begin(run, allow_changes)
            log_run(run)
            start = int(train_state.step)
            missed = start > 0 and schedule.due_after(start, run.periods).evaluation
            if start >= run.last_step and not missed:
                _LOG.info(_at_the_end(run, start))
                return train_state
            log_end_of_schedule(run)
            with _open_files(run, start, command, callbacks) as files, interruption or Interruption() as stop:
                if missed:
                    evaluate_missed(run, train_state, checkpoints, files)
                train_state = _run(run, train_state, checkpoints, files, stop)
        distributed.wait_for_all("the end")
        log_skipped(run)
        steps = int(train_state.step) - start
        if steps:
            _log_end(run, steps, time.monotonic() - begin)
        elif start >= run.last_step:
            _LOG.info(_at_the_end(run, start))
        return train_state


def _at_the_end(run: PreparedRun, start: int) -> str:
    return f"{run.workdir} is at {named(start, run.periods.epoch)} already: raise --steps to train longer"


def _log_end(run: PreparedRun, steps: int, seconds: float) -> None:
    """Log what was made, where it is, and what to do with it."""
    workdir, folder = run.workdir, shlex.quote(str(run.workdir))
    _LOG.info(f"done: {steps:,} steps in {duration(seconds)}; pictures, curves and scores: {workdir / 'index.html'}")
    _LOG.info(f"curves:    tensorboard --logdir {folder}")
    _LOG.info(f"translate: cyclegan-jax translate --run {folder} --input PHOTOS --output OUT")
    _LOG.info(f"score:     cyclegan-jax evaluate --run {folder}")


@contextlib.contextmanager
def _open_checkpoints(run: PreparedRun) -> Iterator[CheckpointWriter]:
    """Lock the work directory, and open its checkpoints for writing."""
    lock = WorkdirLock(run.workdir) if distributed.is_first() else contextlib.nullcontext()
    with lock, reporting_unwritable(run.workdir), _writer(run) as checkpoints:
        yield checkpoints


def _writer(run: PreparedRun) -> CheckpointWriter:
    return CheckpointWriter(run.workdir, run.config, run.periods.evaluates)


def _restore_or_begin(run: PreparedRun, allow_changes: bool) -> TrainState:
    """Return the newest checkpoint's state, or a new one, and set the position in the data to match."""
    train_state = run.new_state()
    restored = restore_newest(run.workdir, run.config, train_state, allow_changes=allow_changes)
    if restored is not None:
        changes = f", with {', '.join(restored.changed)}" if restored.changed else ""
        _LOG.info(f"continuing {run.workdir} from {named(int(restored.state.step), run.periods.epoch)}{changes}")
        if restored.data_position is not None:
            run.batches.set_state(restored.data_position, allow_changes=allow_changes)
        return restored.state
    if run.config.init_from is not None:
        train_state = fine_tuning.start_from(run.config.init_from, train_state, run.config.init_step)
    return train_state


@contextlib.contextmanager
def _open_files(run: PreparedRun, start: int, command: str, callbacks: Sequence[Callback]) -> Iterator[RunFiles | None]:
    """Open TensorBoard, samples and the run's page in the first process; the others write no files."""
    if not distributed.is_first():
        yield None
        return
    write_config(run.config, run.workdir, start)
    with RunFiles(
        run.workdir, run.config, start, last_step=run.last_step, command=command, callbacks=callbacks
    ) as files:
        _LOG.info(f"{files.page.path} shows the run in a browser")
        yield files


def _run(
    run: PreparedRun,
    train_state: TrainState,
    checkpoints: CheckpointWriter,
    files: RunFiles | None,
    interruption: Interruption,
) -> TrainState:
    """Make all steps from that of `train_state` to the last one, and return the final state."""
    step = int(train_state.step)
    if step >= run.last_step:
        return train_state
    if reason := early_stopping.reason_to_stop(run, step):
        _LOG.info(f"{run.workdir} has stopped early at {named(step, run.periods.epoch)}: {reason}")
        _LOG.info("to train longer, raise --stop_after, or set it to 0 to train until the last step")
        return train_state
    draw_untrained(run, train_state, files)
    maker = StepMaker(run, train_state, run.last_step)
    host, agreement = Host(run, checkpoints, files), Agreement()
    unseen: Finished | None = None
    interruption.began()
    with live.showing(host.progress.line):
        while step < run.last_step:
            train_state = plateau.fed(train_state, step, run.config, run.periods, run.workdir)
            with host.progress.waiting():
                number, batch = maker.next_batch(step)
            # The call returns at once. The host looks at the metrics of the call before, which are done, while the
            # devices work on this one: if it waited for these metrics, the devices would idle until the next call.
            train_state, metrics = maker.call(number, train_state, batch)
            step += number
            if unseen is not None:
                host.observe(unseen)
            unseen = Finished(step, number, metrics)

            signal_number, save = agreement.update(interruption.requested or 0, host.save_clock.asks())
            due = schedule.due_after(
                step,
                run.periods,
                signal_received=signal_number > 0,
                save_asked=save,
                sample_asked=host.wants_samples(),
            )
            if due.needs_state:
                host.observe(unseen)
                unseen = None
                host.do(due, step, train_state)
            if due.stop:
                raise StoppedError(signal_number, step)
            if due.evaluation and step < run.last_step and (reason := early_stopping.reason_to_stop(run, step)):
                _LOG.info(f"stopping early at {named(step, run.periods.epoch)}: {reason}")
                break
    return train_state
