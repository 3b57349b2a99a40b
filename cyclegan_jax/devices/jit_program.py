"""A training step compiled by `jax.jit`: one program over the mesh, into which the compiler puts the communication."""

from dataclasses import dataclass
from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from cyclegan_jax.devices.collectives import OneDevice
from cyclegan_jax.devices.compiled_step import CompiledStep, HostBatch, MakeStep, scan_steps
from cyclegan_jax.devices.mesh import replicated, split


@dataclass(frozen=True)
class JitCollectives(OneDevice):
    """Collectives under `jit`: the step sees the whole batch, as on one device, and only says where arrays are placed.

    Attributes:
        mesh: the devices.
    """

    mesh: Mesh

    def gather(self, images: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
        """Place all images on every device."""
        # The pool is replicated. Without the constraint the compiler may divide it too, and move pool images between
        # devices in every step.
        return jax.lax.with_sharding_constraint(images, replicated(self.mesh))

    def own_part(self, images: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
        """Divide the images over the devices."""
        # Without the constraint every device would run the discriminator on the whole batch.
        return jax.lax.with_sharding_constraint(images, split(self.mesh))


class JitProgram:
    """A training step, or several in one program, for `jax.jit` over a mesh."""

    def __init__(self, make_step: MakeStep, mesh: Mesh, steps: int):
        """Describe the program of `steps` steps; nothing is traced yet."""
        self._batch_sharding = split(mesh, axis=0 if steps == 1 else 1)
        self._jitted = jax.jit(
            scan_steps(make_step(JitCollectives(mesh)), steps),
            # The new state takes the memory of the old one: a step holds the weights and Adam's moments once.
            donate_argnums=0,
            in_shardings=(replicated(mesh), self._batch_sharding),
            out_shardings=replicated(mesh),
        )

    def compile(self, state: Any, batch: HostBatch) -> CompiledStep:
        """Compile the program; see `StepProgram.compile`."""
        executable = self._jitted.lower(state, self._to_devices(batch)).compile()

        def run(state: Any, batch: HostBatch) -> tuple[Any, Any]:
            return executable(state, self._to_devices(batch))

        return CompiledStep(executable, run)

    def _to_devices(self, batch: HostBatch) -> dict[str, jax.Array]:
        # Each process has read only its own rows of the global batch; together they form one global array.
        arrays: dict[str, jax.Array] = jax.make_array_from_process_local_data(self._batch_sharding, batch)
        return arrays
