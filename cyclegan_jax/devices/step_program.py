"""The choice between the two ways to spread a training step over devices: `jit` or `pmap`."""

from jax.sharding import Mesh

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices.compiled_step import MakeStep, StepProgram
from cyclegan_jax.devices.jit_program import JitProgram
from cyclegan_jax.devices.mesh import check_batch_size
from cyclegan_jax.devices.pmap_program import PmapProgram


def step_program(make_step: MakeStep, config: TrainConfig, mesh: Mesh, *, steps: int = 1) -> StepProgram:
    """Return the program of a training step for all devices of `mesh`, to be compiled by its method `compile`.

    Args:
        make_step: builds the step for the collectives of the chosen form.
        config: `parallel` chooses between `jit` and `pmap`; both compute the same numbers.
        mesh: the devices.
        steps: how many steps one call of the program makes.

    Raises:
        UserError: the devices cannot share the batch evenly.
    """
    check_batch_size(config, mesh)
    if config.parallel == "jit":
        return JitProgram(make_step, mesh, steps)
    return PmapProgram(make_step, mesh, steps)
