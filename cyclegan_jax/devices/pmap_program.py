"""A training step compiled by `jax.pmap`: a program per device that communicates by explicit collectives."""

from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Shaped

from cyclegan_jax.devices.collectives import Collectives
from cyclegan_jax.devices.compiled_step import CompiledStep, HostBatch, MakeStep, scan_steps
from cyclegan_jax.devices.mesh import AXIS

T = TypeVar("T")


@dataclass(frozen=True)
class PmapCollectives(Collectives):
    """Collectives over the axis `AXIS` of `pmap`: the step sees one device's part of the batch."""

    def gather(self, images: Float[Array, "n H W C"]) -> Float[Array, "N H W C"]:
        """Collect the parts of all devices."""
        # Every device replays the pool's exchanges for the global batch, so that all hold the same pool.
        return jax.lax.all_gather(images, AXIS, tiled=True)

    def own_part(self, images: Float[Array, "N H W C"]) -> Float[Array, "n H W C"]:
        """Slice out the part at this device's index."""
        number = len(images) // jax.lax.axis_size(AXIS)
        return jax.lax.dynamic_slice_in_dim(images, jax.lax.axis_index(AXIS) * number, number)

    def mean(self, tree: T) -> T:
        """Average over the devices; their parts have one size, so the mean of means is the global mean."""
        # pmap runs its body with check_vma=False: nothing sums or averages gradients on its own, and nothing reports a
        # replicated output (out_axes=None below) whose values differ between devices. tests/devices checks both.
        return jax.lax.pmean(tree, AXIS)

    def indices(self, number: int) -> Int[Array, " n"]:
        """Return `number` consecutive indices, starting at that of this device's first image."""
        return jax.lax.axis_index(AXIS) * number + jnp.arange(number)


class PmapProgram:
    """A training step, or several in one program, for `jax.pmap` over the devices of a mesh."""

    def __init__(self, make_step: MakeStep, mesh: Mesh, steps: int):
        """Describe the program of `steps` steps; nothing is traced yet."""
        devices = list(mesh.devices.flat)
        self._steps = steps
        self._local_devices = sum(device.process_index == jax.process_index() for device in devices)
        self._mapped = jax.pmap(
            scan_steps(make_step(PmapCollectives()), steps),
            axis_name=AXIS,
            # The state is replicated, and comes back replicated: it has no device axis, as under jit.
            in_axes=(None, 0),
            out_axes=None,
            # The new state takes the memory of the old one: a step holds the weights and Adam's moments once.
            donate_argnums=0,
            # With several processes pmap takes all devices, in the order of the processes.
            devices=devices if jax.process_count() == 1 else None,
        )

    def compile(self, state: Any, batch: HostBatch) -> CompiledStep:
        """Compile the program; see `StepProgram.compile`."""
        executable = self._mapped.lower(state, self._by_device(batch)).compile()

        def run(state: Any, batch: HostBatch) -> tuple[Any, Any]:
            # The pmapped function and not `executable`, which does not convert the arrays of a process to global ones.
            # JAX finds the executable in its cache: nothing is compiled a second time (tests/devices/test_memory.py).
            return self._mapped(state, self._by_device(batch))

        return CompiledStep(executable, run)

    def _by_device(self, batch: HostBatch) -> HostBatch:
        return {domain: self._divide(images) for domain, images in batch.items()}

    def _divide(self, images: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """(N, ...) -> (devices, N / devices, ...), or (steps, N, ...) -> (devices, steps, N / devices, ...)."""
        if self._steps == 1:
            return np.reshape(images, (self._local_devices, -1, *images.shape[1:]))
        by_step = np.reshape(images, (self._steps, self._local_devices, -1, *images.shape[2:]))
        return np.moveaxis(by_step, 1, 0)
