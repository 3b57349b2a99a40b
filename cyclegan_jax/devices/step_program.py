"""A training step compiled for all devices of a mesh, in one of two forms, `jit` or `pmap`, with the same numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices.collectives import Collectives, OverMesh, PerDevice
from cyclegan_jax.devices.mesh import check_batch_size, replicated, split

HostBatch = dict[str, np.ndarray]
"""This process's part of a batch, or of several with a first axis of steps: images by domain, (N, H, W, C); with
`accumulate` (accumulate, N, H, W, C)."""
Step = Callable[[Any, Any], tuple[Any, Any]]
"""(state, batch) -> (state, metrics), traceable."""
MakeStep = Callable[[Collectives], Step]
"""Builds the step for the collectives of `jit` or of `pmap`."""


@dataclass(frozen=True)
class CompiledStep:
    """A compiled training step; calling it returns while the devices still work.

    Attributes:
        executable: the compiled program, for its memory analysis.
        program: where its batches are placed.
    """

    executable: jax.stages.Compiled
    program: "StepProgram"

    def __call__(self, state: Any, batch: HostBatch) -> tuple[Any, Any]:
        """(state, batch) -> (state, metrics).

        The state is replicated and donated: its arrays must not be used again. With several steps per call, the batch
        and the metrics have a first axis of steps.
        """
        new_state, metrics = self.executable(state, self.program.to_devices(batch))
        return new_state, metrics


class StepProgram:
    """A training step, or several in one program, for all devices of a mesh; `compile` compiles it."""

    def __init__(self, make_step: MakeStep, config: TrainConfig, mesh: Mesh, *, steps: int = 1):
        """Describe the program; nothing is traced yet.

        Args:
            make_step: builds the step for the collectives of the chosen form.
            config: `parallel` chooses between `jit` and `pmap`; both compute the same numbers.
            mesh: the devices.
            steps: how many steps one call of the program makes.

        Raises:
            UserError: the devices cannot share the batch evenly.
        """
        check_batch_size(config, mesh)
        # First axes of steps and of parts, if there are several, are not divided.
        self._batch_sharding = split(mesh, axis=(steps > 1) + (config.accumulate > 1))
        if config.parallel == "jit":
            # One program over the whole batch, into which the compiler puts the communication.
            body = _scan_steps(make_step(OverMesh(mesh)), steps)
        else:
            body = _per_device(_scan_steps(make_step(PerDevice()), steps), mesh, self._batch_sharding)
        self._jitted = jax.jit(
            body,
            # The new state takes the memory of the old one: a step holds the weights and Adam's moments once.
            donate_argnums=0,
            in_shardings=(replicated(mesh), self._batch_sharding),
            out_shardings=replicated(mesh),
        )

    def trace(self, state: Any, batch: HostBatch) -> Callable[[], CompiledStep]:
        """Trace the program for the shapes and dtypes of `state` and `batch`, and return what compiles it.

        The values of both do not matter.
        """
        lowered = self._jitted.lower(state, self.to_devices(batch))
        return lambda: CompiledStep(lowered.compile(), self)

    def compile(self, state: Any, batch: HostBatch) -> CompiledStep:
        """Trace and compile the program."""
        return self.trace(state, batch)()

    def to_devices(self, batch: HostBatch) -> dict[str, jax.Array]:
        """Place a batch on the devices."""
        # Each process has read only its own rows of the global batch; together they form one global array.
        arrays: dict[str, jax.Array] = jax.make_array_from_process_local_data(self._batch_sharding, batch)
        return arrays


def _per_device(body: Step, mesh: Mesh, batch_sharding: jax.sharding.NamedSharding) -> Step:
    """Run `body` on each device, with the whole state and that device's part of the batch.

    Since JAX 0.10 `jax.pmap` is this call, with a first axis of devices around it; tests/devices/test_step_program.py
    compares the two programs.
    """
    whole = jax.sharding.PartitionSpec()
    # check_vma=False, as under pmap: nothing sums or averages gradients on its own, and nothing reports a replicated
    # output whose values differ between devices. tests/devices checks both.
    return jax.shard_map(
        body, mesh=mesh, in_specs=(whole, batch_sharding.spec), out_specs=(whole, whole), check_vma=False
    )


def _scan_steps(step: Step, steps: int) -> Step:
    """Put `steps` calls of `step` into one program: it takes batches, and returns metrics, with a first axis of steps.

    With one step it returns `step` itself, without that axis.
    """
    return step if steps == 1 else lambda state, batches: jax.lax.scan(step, state, batches)
