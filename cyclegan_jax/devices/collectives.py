"""The communication between devices that a training step needs, as an interface, and its form for one device.

A step is written once, against `Collectives`. `devices.jit_program` and `devices.pmap_program` implement them for
several devices. All of them compute what one device computes from the whole batch: losses are means over the global
batch, instance norms work on single images, and the state and the image pools are replicated.
"""

from typing import Protocol, TypeVar, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

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
