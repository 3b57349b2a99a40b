"""The mesh of devices that a run trains on, and how state and batches are laid out over it."""

from typing import Final

import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError

AXIS: Final = "batch"
"""Name of the mesh's only axis: training is data-parallel, so only the batch is divided."""


def make_mesh(devices: list[jax.Device] | None = None) -> Mesh:
    """Return a one-dimensional mesh over `devices`; by default over all devices of all processes."""
    devices = jax.devices() if devices is None else devices
    # Auto: the compiler derives the sharding of intermediate arrays from that of the inputs.
    return Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of the train state: every device holds all of it."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, *, axis: int = 0) -> NamedSharding:
    """Return the sharding of a batch: axis number `axis` is divided over the devices."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXIS))


def check_batch_size(config: TrainConfig, mesh: Mesh | AbstractMesh) -> None:
    """Check that the devices can share the global batch evenly.

    Raises:
        UserError: `batch_size` is not a multiple of the number of devices.
    """
    if config.batch_size % mesh.size:
        raise UserError(
            f"batch_size is {config.batch_size}, but {mesh.size} devices share it: set --batch_size to a multiple of "
            f"{mesh.size}, or make fewer devices visible, for example with CUDA_VISIBLE_DEVICES=0"
        )
