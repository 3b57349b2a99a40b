"""Everything a run needs before its first step: the data, the networks, the step's program, samples and evaluation."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import optax
from jax.sharding import Mesh

from cyclegan_jax import files, gradient_penalty, periods, state
from cyclegan_jax import optimizer as optimizer_lib
from cyclegan_jax.checkpoints import folders
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import eval_images
from cyclegan_jax.data.batches import TrainIterator, train_iterator
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.train_images import train_sizes
from cyclegan_jax.devices import distributed, memory
from cyclegan_jax.devices.mesh import check_batch_size, make_mesh, replicated
from cyclegan_jax.devices.step_program import StepProgram
from cyclegan_jax.epochs import named
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Networks, Params
from cyclegan_jax.objective import extra_term
from cyclegan_jax.periods import Periods
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import make_train_step
from cyclegan_jax.training import memory_estimate, wandb_log
from cyclegan_jax.training.samples import make_sampler

if TYPE_CHECKING:
    from cyclegan_jax.training.evaluation import TrainingEvaluation

_LOG = logging.getLogger(__name__)

SAMPLE_IMAGES = 4
"""Number of images of each domain in the grid of samples."""


@dataclass(frozen=True)
class PreparedSteps:
    """What the steps of a run need.

    Attributes:
        config: the experiment.
        mesh: all devices.
        networks: the definitions of the four networks.
        batches: this process's part of the training batches; its position is that of a new run.
        images_A: number of training images of domain A.
        images_B: number of training images of domain B.
        periods: what is due when, the step at which the run ends, and the length of an epoch.
        new_state: builds the state of a new run, replicated on all devices.
        program: the program that makes a number of steps per call.
    """

    config: TrainConfig
    mesh: Mesh
    networks: Networks
    batches: TrainIterator
    images_A: int
    images_B: int
    periods: Periods
    new_state: Callable[[], TrainState]
    program: Callable[[int], StepProgram]

    @property
    def last_step(self) -> int:
        """The step at which the run ends."""
        return self.periods.last_step

    @property
    def end_of_schedule(self) -> int:
        """The step at which the learning-rate schedule ends."""
        return periods.end_of_schedule(self.config, self.periods.epoch)


@dataclass(frozen=True)
class PreparedRun(PreparedSteps):
    """A run that is ready to be trained.

    Attributes:
        workdir: the run's folder.
        draw_samples: the generators' parameters -> the grid of sample images.
        left_out: the reason for leaving a file or folder out of the data, by its path.
        evaluate: evaluates checkpoints; None where evaluations are off, and in all processes but the first.
    """

    workdir: Path
    draw_samples: Callable[[Params], Uint8Image]
    left_out: Mapping[Path, str]
    evaluate: "TrainingEvaluation | None"


def prepare(config: TrainConfig, workdir: Path) -> PreparedRun:
    """Open the data and define everything that does not depend on a checkpoint; writes nothing to `workdir`.

    Raises:
        UserError: the data, the config and the devices do not fit together.
    """
    # Before anything is written: a run that cannot start leaves no work directory.
    if config.wandb is not None and distributed.is_first():
        wandb_log.check_installed()
    extra_term(config.loss)
    if config.init_from is not None and not folders.steps(workdir):
        with files.naming("--init_from"):
            open_checkpoint(config.init_from, config.init_step)
    mesh = make_mesh()
    data = _open_data(config, mesh)
    steps = _steps_on(config, data, mesh)
    sample_images = eval_images.sample_images(data, config.data, SAMPLE_IMAGES, config.generator.size_multiple)
    return PreparedRun(
        **vars(steps),
        workdir=workdir,
        draw_samples=make_sampler(config, steps.networks, sample_images["A"], sample_images["B"]),
        left_out=data.left_out,
        evaluate=_evaluation(config, data, workdir, steps.periods)
        if config.eval_every and distributed.is_first()
        else None,
    )


def _evaluation(config: TrainConfig, data: Dataset, workdir: Path, periods: Periods) -> "TrainingEvaluation":
    # Most runs evaluate nothing, and need not wait for the import.
    from cyclegan_jax.training.evaluation import TrainingEvaluation

    return TrainingEvaluation(config, data, workdir, periods.epoch)


def prepare_steps(config: TrainConfig) -> PreparedSteps:
    """Open the data and define the steps alone, without samples and evaluations; see `prepare`."""
    mesh = make_mesh()
    return _steps_on(config, _open_data(config, mesh), mesh)


def log_run(run: PreparedRun) -> None:
    """Log the size of the data, the devices, and the number of steps."""
    plural = "s" if run.mesh.size > 1 else ""
    devices = f"{run.mesh.size} {jax.devices()[0].platform.upper()} device{plural}"
    epochs = run.periods.epoch.done(run.last_step)
    length = f"{run.last_step:,} steps ({epochs} epoch{'s' if epochs != '1' else ''})"
    _LOG.info(f"A: {run.images_A:,} images, B: {run.images_B:,} images, {devices}, {length}")


def log_end_of_schedule(run: PreparedRun) -> None:
    """Log that the run is longer than the learning-rate schedule, if it is and that ends it."""
    end, config = run.end_of_schedule, run.config
    if run.last_step > end and config.optimizer.schedule not in ("constant", "plateau"):
        rate = optimizer_lib.rates(config, end, epoch_images=run.periods.epoch.images).generators
        named_end = named(end, run.periods.epoch)
        _LOG.info(f"the learning-rate schedule ends at {named_end}: later steps keep its last rate, {rate:.3g}")


def _open_data(config: TrainConfig, mesh: Mesh) -> Dataset:
    with distributed.failing_together("data"):
        check_batch_size(config, mesh)
        if config.data.crops:
            memory_estimate.check(config)
            cyclegan.define(config)  # reports a wrong image size before data are downloaded or prepared
    return distributed.first_process_first("data", lambda: open_dataset(config.data))


def _steps_on(config: TrainConfig, data: Dataset, mesh: Mesh) -> PreparedSteps:
    sizes = None
    if not config.data.crops:
        sizes = train_sizes(data, config)
        gradient_penalty.check_sizes(config.loss.penalty, sizes["A"], sizes["B"])
        memory_estimate.check(config, sizes)
    networks = cyclegan.define(config, sizes)
    optimizer = optimizer_lib.adam(config.optimizer)
    epoch = periods.epoch_length(config, len(data.train_A), len(data.train_B))
    return PreparedSteps(
        config=config,
        mesh=mesh,
        networks=networks,
        batches=train_iterator(data, config, process_index=jax.process_index(), process_count=jax.process_count()),
        images_A=len(data.train_A),
        images_B=len(data.train_B),
        periods=periods.resolve(config, epoch),
        new_state=lambda: _new_state(config, optimizer, sizes, mesh),
        program=_step_programs(config, networks, optimizer, epoch.images, mesh),
    )


def _new_state(
    config: TrainConfig, optimizer: optax.GradientTransformation, sizes: memory_estimate.Sizes | None, mesh: Mesh
) -> TrainState:
    # Compiled, so that each device draws its own copy of the weights instead of receiving it; and before it runs, so
    # that a state for which there is no memory is reported.
    program = jax.jit(lambda: state.create(config, optimizer, sizes), out_shardings=replicated(mesh)).lower().compile()
    memory.check_first_state(memory.step_bytes(program))
    return program()


def _step_programs(
    config: TrainConfig,
    networks: Networks,
    optimizer: optax.GradientTransformation,
    epoch_images: int,
    mesh: Mesh,
) -> Callable[[int], StepProgram]:
    return lambda steps: StepProgram(
        lambda collectives: make_train_step(
            config, networks, optimizer, epoch_images=epoch_images, collectives=collectives
        ),
        config,
        mesh,
        steps=steps,
    )
