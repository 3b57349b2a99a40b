"""The training loop: dispatch a step, look at the one before, log, sample, save, stop."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from cyclegan_jax import config as config_lib
from cyclegan_jax import optimizer as optimizer_lib
from cyclegan_jax import sharding, state, workdir_lock
from cyclegan_jax.checkpoints import Checkpoints
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import pipeline, sources, whole_images
from cyclegan_jax.data.train_images import train_sizes
from cyclegan_jax.errors import UserError
from cyclegan_jax.interruption import InterruptedRunError, Interruption, watched
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.reports import Progress, Reports, Scalars
from cyclegan_jax.samples import make_sampler
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import Metrics, make_train_step

SAMPLE_IMAGES = 4
"""Images of each domain in a picture grid."""


class DivergedError(UserError):
    """Training made a number that is not finite; the last good checkpoint is kept."""


def train(config: TrainConfig, workdir: str | Path, *, say: Callable[[str], None] = print) -> TrainState:
    """Train, or continue, the run in `workdir` until `config.steps`.

    Writes `checkpoints/`, `samples/*.png`, `tensorboard/` and `config.json` there.

    Args:
        config: the experiment.
        workdir: the run's folder; where it holds checkpoints, the run goes on from the newest.
        say: where the lines for the user go.

    Returns:
        The state after the last step.

    Raises:
        UserError: data, config and work directory do not fit together; another run is at work there; or a checkpoint
            cannot be written.
        DivergedError: a loss or a parameter is no longer finite.
        InterruptedRunError: SIGTERM or SIGINT asked to stop; the state is saved.
    """
    with workdir_lock.held(Path(workdir)), watched() as interruption:
        return _train_alone(config, Path(workdir), say, interruption)


def _train_alone(
    config: TrainConfig, workdir: Path, say: Callable[[str], None], interruption: Interruption
) -> TrainState:
    # Only float64 asks for 64-bit types; a caller who has them on keeps them.
    with jax.enable_x64(config.dtype == "float64" or jax.config.read("jax_enable_x64")):
        return _train(config, workdir, say, interruption)


def _train(config: TrainConfig, workdir: Path, say: Callable[[str], None], interruption: Interruption) -> TrainState:
    mesh = sharding.make_mesh()
    sharding.check_batch_size(config, mesh)
    if config.data.crops:
        cyclegan.define(config)  # refuses a wrong size before data are downloaded or prepared
    data = sources.open_sources(config.data, say=say)
    sizes = None if config.data.crops else train_sizes(data, config)
    networks = cyclegan.define(config, sizes)
    epoch_images = max(len(data.train_A), len(data.train_B))
    stop = config.steps if config.steps is not None else schedule_steps(config, epoch_images)

    optimizer = optimizer_lib.adam(config.optimizer)
    create = jax.jit(lambda: state.create(config, optimizer, sizes), out_shardings=sharding.replicated(mesh))
    train_state = create()
    batches = pipeline.train_iterator(
        data, config, process_index=jax.process_index(), process_count=jax.process_count(), say=say
    )
    train_step = sharding.compile_step(
        lambda spread: make_train_step(config, networks, optimizer, epoch_images=epoch_images, spread=spread),
        config,
        mesh,
    )
    sample_images = whole_images.sample_images(data, config.data, SAMPLE_IMAGES)
    sample = make_sampler(config, networks, sample_images["A"], sample_images["B"])

    with Checkpoints(workdir, config, sizes, say=say) as checkpoints:
        start = 0
        if checkpoints.latest_step() is not None:
            train_state, position, before = checkpoints.restore(train_state)
            start = int(train_state.step)
            batches.set_state(position)
            changed = config_lib.differences(before, config)
            say(f"continuing {workdir} from step {start:,}" + (f", with {', '.join(changed)}" if changed else ""))
        devices = f"{mesh.size} {jax.devices()[0].platform.upper()} device" + ("s" if mesh.size > 1 else "")
        say(f"A: {len(data.train_A):,} images, B: {len(data.train_B):,} images, {devices}, {stop:,} steps")
        if start >= stop:
            say(f"{workdir} is at step {start:,} already: raise --steps to train on")
            return train_state
        if stop > schedule_steps(config, epoch_images):
            say("past the end of the schedule, the learning rate stays that of its last epoch")
        _write_config(config, workdir)

        with Reports(workdir, start) as reports:
            progress = Progress(stop, config.batch_size)

            def look_at(step: int, metrics: Metrics) -> None:
                scalars = {name: float(value) for name, value in jax.device_get(metrics).items()}
                _check_finite(scalars, step, checkpoints.latest_step())
                progress.done(step)
                if step % config.log_every == 0 or step == stop:
                    reports.scalars(step, scalars, progress)
                    say(progress.line(step, scalars))

            unseen = None
            for step in range(start + 1, stop + 1):
                with progress.waiting():
                    batch = next(batches)
                train_state, metrics = train_step(train_state, batch)
                # The device works on this step while the host looks at the one before.
                if unseen is not None:
                    look_at(*unseen)
                unseen = (step, metrics)

                samples_due = step % config.sample_every == 0 or step == stop
                interrupted = interruption.asked_by
                checkpoint_due = step % config.checkpoint_every == 0 or step == stop or interrupted is not None
                if samples_due or checkpoint_due:
                    look_at(*unseen)
                    unseen = None
                    with progress.paused():
                        if checkpoint_due:
                            _check_parameters(train_state, step, checkpoints.latest_step())
                            checkpoints.save(train_state, batches.get_state())
                        if samples_due:
                            weights = train_state.generators if train_state.ema is None else train_state.ema
                            reports.picture(step, sample(weights))
                if interrupted is not None and step < stop:
                    raise InterruptedRunError(interrupted, step)
    skipped = len(batches.skipped)
    if skipped:
        say(
            f"{skipped:,} training {'image' if skipped == 1 else 'images'} could not be used and "
            f"{'was' if skipped == 1 else 'were'} skipped"
        )
    return train_state


def schedule_steps(config: TrainConfig, epoch_images: int) -> int:
    """Steps until the learning-rate schedule ends, with `epoch_images` images in the larger domain."""
    return math.ceil(optimizer_lib.schedule_epochs(config.optimizer) * epoch_images / config.batch_size)


def _check_finite(scalars: Scalars, step: int, last_good: int | None) -> None:
    for name, value in scalars.items():
        if not math.isfinite(value):
            raise DivergedError(_diverged(f"the loss term {name} is {value}", step, last_good))


def _check_parameters(train_state: TrainState, step: int, last_good: int | None) -> None:
    """A step's losses are those before its update: look at what is about to be saved itself."""
    if not bool(_all_finite((train_state.generators, train_state.discriminators))):
        raise DivergedError(_diverged("a network's parameter is not finite", step, last_good))


@jax.jit
def _all_finite(tree: object) -> jax.Array:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))


def _diverged(what: str, step: int, last_good: int | None) -> str:
    kept = f"the checkpoint of step {last_good:,} is kept" if last_good else "no checkpoint had been saved yet"
    return (
        f"training diverged: {what} at step {step:,}; {kept}. Lower --optimizer.learning_rate, or look for broken "
        "images among the data"
    )


def _write_config(config: TrainConfig, workdir: Path) -> None:
    """For people to read; the checkpoints hold the config that counts."""
    (workdir / "config.json").write_text(json.dumps(config_lib.to_dict(config), indent=2) + "\n")
