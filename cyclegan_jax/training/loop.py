"""The training loop: dispatch a step, look at the one before, log, sample, save, stop."""

import contextlib
import errno
import functools
import json
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cyclegan_jax import config_dict, state
from cyclegan_jax import optimizer as optimizer_lib
from cyclegan_jax.checkpoints import fine_tuning
from cyclegan_jax.checkpoints.run import Checkpoints
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import pipeline, sources
from cyclegan_jax.data import test_images as whole_images
from cyclegan_jax.data.train_images import train_sizes
from cyclegan_jax.devices import distributed, memory, sharding
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import write_atomically
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import Metrics, make_train_step
from cyclegan_jax.training.balance import Watch
from cyclegan_jax.training.evaluation import TrainingEvaluation
from cyclegan_jax.training.interruption import Interruption, StoppedError
from cyclegan_jax.training.lock import WorkdirLock
from cyclegan_jax.training.reports import Progress, Reports, Scalars
from cyclegan_jax.training.samples import make_sampler

_LOG = logging.getLogger(__name__)

SAMPLE_IMAGES = 4
"""Images of each domain in a picture grid."""


class DivergedError(UserError):
    """Training made a number that is not finite; the last good checkpoint is kept."""


def train(
    config: TrainConfig,
    workdir: str | Path,
    *,
    interruption: Interruption | None = None,
) -> TrainState:
    """Train, or continue, the run in `workdir` until `config.steps`.

    Writes `checkpoints/`, `samples/*.png`, `tensorboard/` and `config.json` there, and with `config.eval_every`
    `evaluation/` and `scores.json`.

    Args:
        config: the experiment.
        workdir: the run's folder; where it holds checkpoints, the run goes on from the newest that is whole.
        interruption: takes SIGINT and SIGTERM over while steps are made; None leaves them as they are.

    Returns:
        The state after the last step.

    Raises:
        UserError: data, config and work directory do not fit together, or the work directory cannot be written.
        DivergedError: a loss or a parameter is no longer finite.
        StoppedError: a signal has asked the run to stop; its state is saved.
    """
    # Only float64 asks for 64-bit types; a caller who has them on keeps them.
    with jax.enable_x64(config.dtype == "float64" or jax.config.read("jax_enable_x64")):
        return _train(config, Path(workdir), interruption)


def _train(config: TrainConfig, workdir: Path, interruption: Interruption | None) -> TrainState:
    mesh = sharding.make_mesh()
    with distributed.said_by_all("data"):
        sharding.check_batch_size(config, mesh)
        if config.data.crops:
            cyclegan.define(config)  # refuses a wrong size before data are downloaded or prepared
    data = distributed.first_process_first("data", lambda: sources.open_sources(config.data))
    sizes = None if config.data.crops else train_sizes(data, config)
    networks = cyclegan.define(config, sizes)
    epoch_images = max(len(data.train_A), len(data.train_B))
    stop = config.steps if config.steps is not None else schedule_steps(config, epoch_images)

    optimizer = optimizer_lib.adam(config.optimizer)
    create = jax.jit(lambda: state.create(config, optimizer, sizes), out_shardings=sharding.replicated(mesh))
    train_state = create()
    batches = pipeline.train_iterator(
        data, config, process_index=jax.process_index(), process_count=jax.process_count()
    )

    def check_memory(compiled: jax.stages.Compiled) -> None:
        memory.check(memory.step_bytes(compiled), config)

    @functools.cache
    def train_steps(number: int) -> Callable[[TrainState, dict[str, np.ndarray]], tuple[TrainState, Metrics]]:
        return sharding.compile_step(
            lambda spread: make_train_step(config, networks, optimizer, epoch_images=epoch_images, spread=spread),
            config,
            mesh,
            steps=number,
            look=check_memory if number == config.steps_per_dispatch else lambda compiled: None,
        )

    sample_images = whole_images.sample_images(data, config.data, SAMPLE_IMAGES)
    sample = make_sampler(config, networks, sample_images["A"], sample_images["B"])
    evaluate = None
    if config.eval_every and distributed.is_first():
        evaluate = TrainingEvaluation(config, data, workdir)

    with _opened(workdir, config) as checkpoints:
        train_state, position = _begin(config, workdir, checkpoints, train_state)
        batches.set_state(position)
        start = int(train_state.step)
        devices = f"{mesh.size} {jax.devices()[0].platform.upper()} device" + ("s" if mesh.size > 1 else "")
        _LOG.info(f"A: {len(data.train_A):,} images, B: {len(data.train_B):,} images, {devices}, {stop:,} steps")
        if start >= stop:
            _LOG.info(f"{workdir} is at step {start:,} already: raise --steps to train on")
            return train_state
        if stop > schedule_steps(config, epoch_images):
            end = schedule_steps(config, epoch_images)
            rate = optimizer_lib.learning_rate(
                config.optimizer, end, batch_size=config.batch_size, epoch_images=epoch_images
            )
            _LOG.info(
                f"the learning-rate schedule ends at step {end:,}: the steps after it keep its last rate, {rate:.3g}"
            )
        reporting = _reporting(config, workdir, start) if distributed.is_first() else contextlib.nullcontext()

        with reporting as reports, interruption or contextlib.nullcontext():
            progress = Progress(stop, config.batch_size)
            watch = Watch(config)
            agreement = distributed.Agreement()

            def look_at(last: int, number: int, metrics: Metrics) -> None:
                values = {name: np.reshape(value, number) for name, value in jax.device_get(metrics).items()}
                for place, step in enumerate(range(last - number + 1, last + 1)):
                    look_at_one(step, {name: float(value[place]) for name, value in values.items()})

            def look_at_one(step: int, scalars: Scalars) -> None:
                _check_finite(scalars, step, checkpoints)
                checkpoints.poll()
                progress.done(step)
                for line in watch.look(step, scalars):
                    _LOG.warning(line)
                if reports is not None and (step % config.log_every == 0 or step == stop):
                    reports.scalars(step, scalars, progress)
                    _LOG.info(progress.line(step, scalars))

            unseen = None
            step = start
            while step < stop:
                number = _steps_at_once(config, step, stop)
                with progress.waiting():
                    batch = _stacked([next(batches) for _ in range(number)])
                train_state, metrics = train_steps(number)(train_state, batch)
                step += number
                # The device works on this step while the host looks at the one before.
                if unseen is not None:
                    look_at(*unseen)
                unseen = (step, number, metrics)

                signal_number = agreement.largest((interruption and interruption.requested) or 0)
                samples_due = step % config.sample_every == 0 or step == stop
                eval_due = config.eval_every > 0 and (step % config.eval_every == 0 or step == stop)
                checkpoint_due = step % config.checkpoint_every == 0 or step == stop or eval_due or signal_number
                if samples_due or checkpoint_due:
                    look_at(*unseen)
                    unseen = None
                    with progress.paused():
                        if checkpoint_due:
                            _check_state(train_state, step, checkpoints)
                            checkpoints.save(train_state, batches.get_state())
                        if signal_number and step < stop:
                            checkpoints.wait()
                            distributed.wait_for_all("stopped")
                            raise StoppedError(signal_number, step)
                        weights = train_state.generators if train_state.ema is None else train_state.ema
                        if samples_due and reports is not None:
                            reports.picture(step, sample(distributed.own_copy(weights)))
                        if eval_due:
                            checkpoints.wait()
                            if evaluate is not None and reports is not None:
                                reports.evaluation(step, evaluate(step, distributed.own_copy(weights)))
                                # What was the best until now may no longer be it.
                                checkpoints.delete_old()
    distributed.wait_for_all("the end")
    skipped = len(batches.skipped)
    if skipped:
        _LOG.info(
            f"{skipped:,} training {'image' if skipped == 1 else 'images'} could not be used and "
            f"{'was' if skipped == 1 else 'were'} skipped"
        )
    return train_state


def _steps_at_once(config: TrainConfig, step: int, stop: int) -> int:
    """`steps_per_dispatch`, or 1 where something is due before so many more steps: two programs serve all."""
    ends = [stop]
    for every in (config.sample_every, config.checkpoint_every, config.eval_every):
        if every:
            ends.append((step // every + 1) * every)
    return config.steps_per_dispatch if step + config.steps_per_dispatch <= min(ends) else 1


def _stacked(batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Batches for one program: with a first axis of steps where there are several."""
    if len(batches) == 1:
        return batches[0]
    return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}


def _begin(
    config: TrainConfig,
    workdir: Path,
    checkpoints: Checkpoints,
    train_state: TrainState,
) -> tuple[TrainState, dict[str, Any]]:
    """The state that a run begins with, and its place in the data: the newest checkpoint's, or a new run's."""
    restored = checkpoints.restore(train_state)
    if restored is not None:
        changes = f", with {', '.join(restored.changed)}" if restored.changed else ""
        _LOG.info(f"continuing {workdir} from step {int(restored.state.step):,}{changes}")
        return restored.state, restored.data_position
    if config.init_from is not None:
        train_state = fine_tuning.start_from(config.init_from, train_state)
    return train_state, {"pairs": 0}


@contextlib.contextmanager
def _opened(workdir: Path, config: TrainConfig) -> Iterator[Checkpoints]:
    """The checkpoints of a work directory that no other run can take."""
    lock = WorkdirLock(workdir) if distributed.is_first() else contextlib.nullcontext()
    with lock, _writing(workdir), Checkpoints(workdir, config) as checkpoints:
        yield checkpoints


def _reporting(config: TrainConfig, workdir: Path, start: int) -> Reports:
    _write_config(config, workdir)
    return Reports(workdir, start)


def schedule_steps(config: TrainConfig, epoch_images: int) -> int:
    """Steps until the learning-rate schedule ends, with `epoch_images` images in the larger domain."""
    return math.ceil(optimizer_lib.schedule_epochs(config.optimizer) * epoch_images / config.batch_size)


def _check_finite(scalars: Scalars, step: int, checkpoints: Checkpoints) -> None:
    for name, value in scalars.items():
        if not math.isfinite(value):
            raise _diverged(f"the loss term {name} is {value}", step, checkpoints)


def _check_state(train_state: TrainState, step: int, checkpoints: Checkpoints) -> None:
    """A step's losses are those before its update: look at what is about to be saved itself.

    An infinite second moment of Adam leaves parameters finite, and still for ever.
    """
    for name, finite in jax.device_get(_finite_fields(train_state)).items():
        if not finite:
            raise _diverged(f"{name.replace('_', ' ')}: a number is not finite", step, checkpoints)


@jax.jit
def _finite_fields(train_state: TrainState) -> dict[str, jax.Array]:
    def finite(tree: object) -> jax.Array:
        return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))

    return {name: finite(value) for name, value in train_state._asdict().items() if value is not None}


def _diverged(what: str, step: int, checkpoints: Checkpoints) -> DivergedError:
    with contextlib.suppress(UserError):
        checkpoints.wait()
    last_good = checkpoints.latest_step()
    distributed.wait_for_all("diverged")
    kept = f"the checkpoint of step {last_good:,} is kept" if last_good else "no checkpoint had been saved yet"
    return DivergedError(
        f"training diverged: {what} at step {step:,}; {kept}. Lower --optimizer.learning_rate, or look for broken "
        "images among the data"
    )


@contextlib.contextmanager
def _writing(workdir: Path) -> Iterator[None]:
    """A disk that takes no more is the user's to mend, whichever file it was that no longer fitted."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(
            f"the work directory {workdir} can no longer be written ({error.strerror}); its checkpoints are kept. Make "
            "room or make it writable, and run the same command again"
        ) from error


def _write_config(config: TrainConfig, workdir: Path) -> None:
    """For people to read; the checkpoints hold the config that counts."""
    write_atomically(workdir / "config.json", json.dumps(config_dict.to_dict(config), indent=2) + "\n")
