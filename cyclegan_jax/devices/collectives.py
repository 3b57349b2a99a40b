"""The communication between devices that a training step needs, as an interface, and its form under jit and pmap.

A step is written once, against `Collectives`. All forms compute what one device computes from the whole batch: losses
are means over the global batch, instance norms work on single images, and the state and the image pools are replicated.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from cyclegan_jax.devices.mesh import AXIS, replicated, split

T = TypeVar("T")


@runtime_checkable  # beartype checks values of this type while the tests run
class Collectives(Protocol):
    """Operations of a training step that involve more than the images at hand."""

    def gather(self, images: Float[Array, "n H W C"]) -> Float[Array, "N H W C"]:
        """Return the images of the global batch, in order, on every device."""

    def own_part(self, images: Float[Array, "N H W C"]) -> Float[Array, "n H W C"]:
        """Return this device's part of a global batch that every device holds."""

    def mean(self, tree: T) -> T:
        """Average a pytree over the devices, each of which computed it from its own part of the batch."""

    def indices(self, number: int) -> Int[Array, " n"]:
        """Return the indices in the global batch of the `number` images at hand."""

    def parts(self) -> int:
        """Return into how many parts the global batch is divided, of which one is at hand."""


class OneDevice:
    """The whole batch is at hand, so nothing needs to be communicated."""

    def gather(self, images: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
        """Return `images`: they are the global batch."""
        return images

    def own_part(self, images: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
        """Return `images`: the only device's part is all of them."""
        return images

    def mean(self, tree: T) -> T:
        """Return `tree`: a loss over the whole batch is the mean already."""
        return tree

    def indices(self, number: int) -> Int[Array, " N"]:
        """Return 0 to `number - 1`."""
        return jnp.arange(number)

    def parts(self) -> int:
        """Return 1: the whole batch is at hand."""
        return 1


@dataclass(frozen=True)
class OverMesh(OneDevice):
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


@dataclass(frozen=True)
class PerDevice(Collectives):
    """Collectives of a per-device body (`pmap`, `shard_map`), which sees one device's part of the batch."""

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
        return jax.lax.pmean(tree, AXIS)

    def indices(self, number: int) -> Int[Array, " n"]:
        """Return `number` consecutive indices, starting at that of this device's first image."""
        return jax.lax.axis_index(AXIS) * number + jnp.arange(number)

    def parts(self) -> int:
        """Return the number of devices."""
        return int(jax.lax.axis_size(AXIS))
