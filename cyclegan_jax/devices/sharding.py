"""Devices: how a global batch is spread over them, and the two ways to compile a step for them.

`jit`: one program over a mesh with a single axis; the compiler inserts the communication. `pmap`: the same step as a
per-device body that averages gradients and gathers generated images itself. Both give the numbers of one device: the
losses are means over the global batch, the norms work on single images, and state and pools are replicated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError

AXIS = "batch"
T = TypeVar("T")


class Spread(Protocol):
    """What a training step needs to know of the devices."""

    def gather(self, images: jax.Array) -> jax.Array:
        """The images of the global batch, in order, on every device."""

    def own_part(self, images: jax.Array) -> jax.Array:
        """This device's part of images of the global batch that every device holds."""

    def mean(self, tree: T) -> T:
        """The mean over devices of values that each computed from its own part."""

    def places(self, number: int) -> jax.Array:
        """The places in the global batch, (number,) int32, of the `number` images at hand."""


class OneDevice:
    """The whole batch on one device, or in one program that the compiler spreads."""

    def gather(self, images: jax.Array) -> jax.Array:
        """They are all here."""
        return images

    def own_part(self, images: jax.Array) -> jax.Array:
        """All of them."""
        return images

    def mean(self, tree: T) -> T:
        """A loss over the whole batch is a mean already."""
        return tree

    def places(self, number: int) -> jax.Array:
        """From 0."""
        return jnp.arange(number)


@dataclass(frozen=True)
class OverMesh(OneDevice):
    """One program over a mesh: the values are those of one device, only their placement is said."""

    mesh: Mesh

    def gather(self, images: jax.Array) -> jax.Array:
        """Placed whole on every device."""
        return jax.lax.with_sharding_constraint(images, replicated(self.mesh))

    def own_part(self, images: jax.Array) -> jax.Array:
        """Placed in parts."""
        return jax.lax.with_sharding_constraint(images, split(self.mesh))


@dataclass(frozen=True)
class PerDevice:
    """A per-device body under `jax.pmap` with the axis `AXIS`."""

    def gather(self, images: jax.Array) -> jax.Array:
        """Collected from all devices."""
        return jax.lax.all_gather(images, AXIS, tiled=True)

    def own_part(self, images: jax.Array) -> jax.Array:
        """Sliced by this device's index."""
        number = len(images) // jax.lax.axis_size(AXIS)
        return jax.lax.dynamic_slice_in_dim(images, jax.lax.axis_index(AXIS) * number, number)

    def mean(self, tree: T) -> T:
        """Averaged by communication; the parts are of one size, so the mean of means is the mean."""
        return jax.lax.pmean(tree, AXIS)

    def places(self, number: int) -> jax.Array:
        """From this device's first."""
        return jax.lax.axis_index(AXIS) * number + jnp.arange(number)


def make_mesh(devices: list[jax.Device] | None = None) -> Mesh:
    """A mesh with one axis over the given devices, by default all of them."""
    devices = jax.devices() if devices is None else devices
    return Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """The placement of the state: whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """The placement of a batch: its first axis cut over the devices."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def check_batch_size(config: TrainConfig, mesh: Mesh) -> None:
    """Refuse a global batch that the devices cannot share evenly.

    Raises:
        UserError: `batch_size` is not a multiple of the number of devices.
    """
    if config.batch_size % mesh.size:
        raise UserError(
            f"batch_size is {config.batch_size}, but it is shared by {mesh.size} devices: take a multiple of "
            f"{mesh.size}, or show the program fewer, as by CUDA_VISIBLE_DEVICES=0"
        )


def compile_step(
    make_step: Callable[[Spread], Callable[[Any, Any], tuple[Any, Any]]],
    config: TrainConfig,
    mesh: Mesh,
    *,
    steps: int = 1,
    look: Callable[[jax.stages.Compiled], None] = lambda compiled: None,
) -> Callable[[Any, dict[str, np.ndarray]], tuple[Any, Any]]:
    """Compile a training step, or several in one program, for all devices of a mesh.

    Args:
        make_step: gives the step for one of the spreads above.
        config: `parallel` chooses the form.
        mesh: the devices.
        steps: how many steps the program takes, by `lax.scan`.
        look: called with the compiled program before its first run.

    Returns:
        A function of the replicated state, which it donates, and this process's part of the batch as host arrays; with
        several steps, the batches and the metrics have a first axis of steps.

    Raises:
        UserError: the devices cannot share the batch evenly.
    """
    check_batch_size(config, mesh)

    def program(spread: Spread) -> Callable[[Any, Any], tuple[Any, Any]]:
        step = make_step(spread)
        return step if steps == 1 else lambda state, batches: jax.lax.scan(step, state, batches)

    if config.parallel == "jit":
        placement = split(mesh) if steps == 1 else NamedSharding(mesh, PartitionSpec(None, AXIS))
        jitted = jax.jit(
            program(OverMesh(mesh)),
            donate_argnums=0,
            in_shardings=(replicated(mesh), placement),
            out_shardings=replicated(mesh),
        )

        looked = _Once(jitted, look)

        def over_mesh(state: Any, batch: dict[str, np.ndarray]) -> tuple[Any, Any]:
            return looked(state, jax.make_array_from_process_local_data(placement, batch))

        return over_mesh

    devices = list(mesh.devices.flat)
    mapped = jax.pmap(
        program(PerDevice()),
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=None,
        donate_argnums=0,
        devices=devices if jax.process_count() == 1 else None,
    )

    looked = _Once(mapped, look)

    def per_device(state: Any, batch: dict[str, np.ndarray]) -> tuple[Any, Any]:
        local = sum(device.process_index == jax.process_index() for device in devices)
        return looked(state, {name: parts(array, local) for name, array in batch.items()})

    def parts(array: np.ndarray, local: int) -> np.ndarray:
        if steps == 1:
            return np.reshape(array, (local, -1, *np.shape(array)[1:]))
        return np.moveaxis(np.reshape(array, (steps, local, -1, *np.shape(array)[2:])), 1, 0)

    return per_device


class _Once:
    """A jitted function that is looked at, compiled, before its first call. The call does not compile it again."""

    def __init__(self, function: Any, look: Callable[[jax.stages.Compiled], None]):
        self._function, self._look = function, look
        self._seen = False

    def __call__(self, *args: Any) -> Any:
        if not self._seen:
            self._look(self._function.lower(*args).compile())
            self._seen = True
        return self._function(*args)
