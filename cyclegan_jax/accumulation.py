"""A batch in parts (`accumulate`): the mean of their gradients is that of the whole, in the memory of one part.

The parts lie behind one another on a first axis of the batch, and each is divided over the devices. So a step sees the
same pairs in the same order as with one larger batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices.collectives import Collectives
from cyclegan_jax.image_pool import ImagePool
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.objective import Generated
from cyclegan_jax.optimizer import Rates
from cyclegan_jax.state import TrainState
from cyclegan_jax.updates import Gradients, Keys, Passes, Updated, Work

Images = Float[Array, "N _ _ _"]


@dataclass(frozen=True)
class OnePart(Collectives):
    """The collectives of one part, whose images have their place in the whole batch.

    Attributes:
        part: the collectives that the part's batch would have by itself.
        first: the index of the part's first image in the whole batch.
    """

    part: Collectives
    first: Int[Array, ""]

    def gather(self, images: Float[Array, "n H W C"]) -> Float[Array, "N H W C"]:
        """Return the images of the part on every device."""
        return self.part.gather(images)

    def own_part(self, images: Float[Array, "N H W C"]) -> Float[Array, "n H W C"]:
        """Return this device's images of the part."""
        return self.part.own_part(images)

    def mean(self, tree: Any) -> Any:
        """Average over the devices."""
        return self.part.mean(tree)

    def indices(self, number: int) -> Int[Array, " n"]:
        """Return the indices of the images at hand in the whole batch."""
        return self.first + self.part.indices(number)

    def parts(self) -> int:
        """Return the number of devices that share the part."""
        return self.part.parts()


@dataclass(frozen=True)
class AllParts(Collectives):
    """The collectives of a whole batch, of which a device has its images of the first part, of the second and so on.

    Attributes:
        part: the collectives of one part.
        number: the number of parts.
    """

    part: Collectives
    number: int

    def gather(self, images: Float[Array, "n H W C"]) -> Float[Array, "N H W C"]:
        """Return the images of the whole batch, in order, on every device."""
        return self._each(self.part.gather, images)

    def own_part(self, images: Float[Array, "N H W C"]) -> Float[Array, "n H W C"]:
        """Return this device's images of each part."""
        return self._each(self.part.own_part, images)

    def mean(self, tree: Any) -> Any:
        """Average over the devices."""
        return self.part.mean(tree)

    def indices(self, number: int) -> Int[Array, " n"]:
        """Return the indices of the `number` images at hand in the whole batch."""
        of_part, total = self.part.indices(number // self.number), number * self.part.parts() // self.number
        return (total * jnp.arange(self.number)[:, None] + of_part).reshape(number)

    def parts(self) -> int:
        """Return the number of devices that share the batch."""
        return self.part.parts()

    def _each(self, function: Callable[[Array], Array], images: Array) -> Array:
        return flat(jax.vmap(function)(apart(images, self.number)))


@runtime_checkable  # beartype checks values of this type while the tests run
class Phases(Protocol):
    """The phases of a training step, which `train_step` defines."""

    @property
    def config(self) -> TrainConfig:
        """The experiment."""

    @property
    def collectives(self) -> Collectives:
        """Those of the batch at hand."""

    def with_collectives(self, collectives: Collectives) -> "Phases":
        """Return the same phases with other collectives."""

    def generate(
        self, generators: Params, real_A: Images, real_B: Images, dropout_key: Key[Array, ""]
    ) -> tuple[Generated, Passes]:
        """Make the generators' images."""

    def show_pool(self, pool: ImagePool | None, fakes: Images, key: Key[Array, ""]) -> tuple[Images, ImagePool | None]:
        """Return the images to show a discriminator, and the pool after them."""

    def discriminator_gradients(
        self, state: TrainState, images_A: tuple[Images, Images], images_B: tuple[Images, Images], keys: Keys
    ) -> Gradients:
        """Return the gradients of the discriminators' loss."""

    def generator_gradients(
        self,
        judges: Params,
        generated: Generated,
        pull_back: Callable[[Generated], tuple[Params]],
        reals: tuple[Images, Images],
        keys: Keys,
    ) -> Gradients:
        """Return the gradients of the generators' loss."""

    def update_discriminators(self, state: TrainState, gradients: Callable[[], Gradients], of_step: Rates) -> Updated:
        """Descend the discriminators' loss."""

    def update_generators(self, state: TrainState, found: Gradients, of_step: Rates) -> Updated:
        """Descend the generators' loss."""


def in_parts(phases: Phases, state: TrainState, reals: Any, keys: Keys, of_step: Rates) -> Work:
    """Compute both updates of a step from the parts of its batch, of which one at a time has activations in memory.

    Args:
        phases: what to do with a part.
        state: the state before the step.
        reals: the images of A and of B in [-1, 1], (parts, N, H, W, C).
        keys: the step's random keys.
        of_step: its learning rates.
    """
    number = phases.config.accumulate

    def images(part: Phases, reals: Any) -> Any:
        generated, _ = part.generate(state.generators, reals[0], reals[1], keys.dropout)
        return generated.fake_A, generated.fake_B

    def of_generators(judges: Params, part: Phases, reals: Any) -> tuple[Gradients, Any]:
        def generate(generators: Params) -> tuple[Generated, Passes]:
            return part.generate(generators, reals[0], reals[1], keys.dropout)

        generated, pull_back, made = jax.vjp(generate, state.generators, has_aux=True)
        found = part.generator_gradients(judges, generated, pull_back, reals, keys)
        return found, ((generated.fake_A, generated.fake_B), made)

    def of_discriminators(part: Phases, images: Any) -> tuple[Gradients, None]:
        return part.discriminator_gradients(state, images[0], images[1], keys), None

    if phases.config.update_first == "generators":
        of_part = partial(of_generators, state.discriminators)
        found, (fakes, made) = mean_gradients(of_part, state.generators, phases, reals)
    else:
        # The generators are judged by discriminators that have seen the images of all parts: these are made twice.
        _, fakes = over_parts(lambda _, part, reals: ((), images(part, reals)), (), phases, reals)
    whole = phases.with_collectives(AllParts(phases.collectives, number))
    shown_A, pool_A = whole.show_pool(state.pool_A, flat(fakes[0]), keys.pool_A)
    shown_B, pool_B = whole.show_pool(state.pool_B, flat(fakes[1]), keys.pool_B)

    def discriminator_gradients() -> Gradients:
        pairs = (reals[0], apart(shown_A, number)), (reals[1], apart(shown_B, number))
        return mean_gradients(of_discriminators, state.discriminators, phases, pairs)[0]

    discriminators = phases.update_discriminators(state, discriminator_gradients, of_step)
    if phases.config.update_first == "discriminators":
        of_part = partial(of_generators, discriminators.params)
        found, (fakes, made) = mean_gradients(of_part, state.generators, phases, reals)
    generators = phases.update_generators(state, found, of_step)
    return Work(generators, discriminators, (pool_A, pool_B), fakes, in_order(made, number))


def mean_gradients(
    function: Callable[[Phases, Any], tuple[Gradients, Any]], params: Params, phases: Phases, parts: Any
) -> tuple[Gradients, Any]:
    """Average the gradients of the parts; only their sum is kept.

    Args:
        function: from the phases of a part and its arrays to its gradients, and to arrays to keep.
        params: what the gradients are with respect to.
        phases: those of a part by itself.
        parts: a pytree of arrays with a first axis of parts.

    Returns:
        The mean of the gradients and losses, with the passes of all parts in order; and what was kept, with a first
        axis of parts.
    """

    def add(total: Params, part: Phases, arrays: Any) -> tuple[Params, Any]:
        found, kept = function(part, arrays)
        return jax.tree.map(jnp.add, total, found.grads), (found._replace(grads={}), kept)

    number = phases.config.accumulate
    grads, (found, kept) = over_parts(add, jax.tree.map(jnp.zeros_like, params), phases, parts)
    grads, total, terms = jax.tree.map(lambda leaf: leaf / number, grads), found.total.mean(), found.terms
    terms = {name: term.mean() for name, term in terms.items()}
    return Gradients(grads, total, terms, in_order(found.passes, number)), kept


def over_parts(
    function: Callable[[Any, Phases, Any], tuple[Any, Any]], start: Any, phases: Phases, parts: Any
) -> tuple[Any, Any]:
    """Call a function for one part after the other, as `jax.lax.scan`: it is compiled once.

    Args:
        function: from its result for the parts before, the phases of a part and its arrays to its result and to arrays
            to keep.
        start: its result before the first part.
        phases: those of a part by itself.
        parts: a pytree of arrays with a first axis of parts.
    """

    def of_part(before: Any, item: tuple[Int[Array, ""], Any]) -> tuple[Any, Any]:
        index, part = item
        place = OnePart(phases.collectives, index * phases.config.batch_size)
        return function(before, phases.with_collectives(place), part)

    return jax.lax.scan(of_part, start, (jnp.arange(phases.config.accumulate), parts))


def flat(images: Float[Array, "parts n H W C"]) -> Float[Array, "N H W C"]:
    """The images of all parts behind one another."""
    return images.reshape(-1, *images.shape[2:])


def apart(images: Float[Array, "N H W C"], number: int) -> Float[Array, "number n H W C"]:
    """The images of a whole batch with a first axis of parts; the inverse of `flat`."""
    return images.reshape(number, -1, *images.shape[1:])


def in_order(passes: Passes, number: int) -> Passes:
    """Passes whose statistics have a first axis of parts as those of the first part, of the second and so on."""
    return {
        name: [[leaf[index] for leaf in one] for index in range(number) for one in of_network]
        for name, of_network in passes.items()
    }
