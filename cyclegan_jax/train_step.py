"""The training step (paper, section 4 and appendix 7.1) as a pure function: (state, batch) -> (state, metrics).

Its phases: generate images, show them to the pools, update the discriminators, update the generators.
With `accumulate` each runs over one part of the batch after the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key, UInt8

from cyclegan_jax import accumulation, diff_augment, gradient_penalty, image_pool, updates
from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.data.images import to_model_range
from cyclegan_jax.devices.collectives import Collectives, OneDevice
from cyclegan_jax.image_pool import Draws, ImagePool
from cyclegan_jax.kernels.recompute import Recomputed
from cyclegan_jax.networks import batch_norm
from cyclegan_jax.networks.batch_norm import OverBatch, Statistics
from cyclegan_jax.networks.cyclegan import Networks, Params
from cyclegan_jax.objective import (
    Extra,
    Generated,
    Terms,
    discriminator_objective,
    extra_term,
    generator_objective,
    l1,
    penalty_objective,
)
from cyclegan_jax.optimizer import Rates, rates
from cyclegan_jax.state import TrainState, image_dtype
from cyclegan_jax.updates import Gradients, Keys, Passes, Updated, Work

Images = Float[Array, "N _ _ _"]
"""A batch of images of one domain, (N, H, W, C) in [-1, 1]."""
Batch = dict[str, UInt8[Array, "*parts N _ _ _"] | Float[Array, "*parts N _ _ _"]]
"""Images by domain, `A` and `B`: (N, H, W, C), uint8 in [0, 255] or float in [-1, 1]; with `accumulate` a first axis of
parts, (accumulate, N, H, W, C)."""
Metrics = dict[str, Float[Array, ""]]
"""Scalars by name: the loss terms, the totals `generators` and `discriminators`, `learning_rate`, and, for domains with
equal channels, the mean absolute differences between G(x) and x, `change_AtoB` and `change_BtoA`. Where the config asks
for them: `discriminator_learning_rate`, and the gradients' norms `gradient_norm_generators` and
`gradient_norm_discriminators`. A step that does not update the discriminators (`discriminator.every`) computes no loss
and no norm of theirs: these are NaN."""
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
DrawFunction = Callable[[Key[Array, ""], int, int], Draws]

PASSES = ("fake_B", "fake_A", "cycled_A", "cycled_B", "identity_A", "identity_B")
"""The generators' passes in a step. A pass's place selects its dropout masks, so a new order would change training."""
OFFICIAL_ORDER: Final = {"AtoB": ("fake_B", "cycled_B", "identity_B"), "BtoA": ("cycled_A", "fake_A", "identity_A")}
"""Each generator's passes in the official code's order, which batch norm's running statistics depend on."""
AUGMENTATION_KEY: Final = 1000
PENALTY_KEY: Final = 1010
"""Folded into a step's key, see `image_keys`; the first few numbers are those of its `split`."""


def make_train_step(
    config: TrainConfig,
    networks: Networks,
    optimizer: optax.GradientTransformation,
    *,
    epoch_images: int,
    collectives: Collectives | None = None,
    draw: DrawFunction = image_pool.draw,
) -> TrainStep:
    """Return the training step of an experiment: a pure function, to be jitted with its state donated.

    Args:
        config: the experiment.
        networks: the definitions from `networks.cyclegan.define(config)`.
        optimizer: a gradient transformation without a learning rate, such as `optimizer.adam(...)`; the generators and
            the discriminators have a state of it each.
        epoch_images: images of the larger domain, for the learning-rate schedule.
        collectives: the communication between devices; by default, one device holds the whole batch.
        draw: draws the image pools' random choices; tests replace it by a script.
    """
    phases = _Phases(
        config, networks, optimizer, epoch_images, collectives or OneDevice(), draw, extra_term(config.loss)
    )

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        with jax.default_matmul_precision(config.precision):
            return phases.run(state, batch)

    return train_step


@dataclass(frozen=True)
class _Phases:
    """The phases of a training step, with what stays the same from step to step; see `make_train_step`."""

    config: TrainConfig
    networks: Networks
    optimizer: optax.GradientTransformation
    epoch_images: int
    collectives: Collectives
    draw: DrawFunction
    extra: Extra | None

    def run(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """Run one step, in the order of the phases."""
        config = self.config
        dtype = image_dtype(config)
        reals = to_model_range(batch["A"], dtype), to_model_range(batch["B"], dtype)
        # Keys depend on the run's key and the step only, so that a resumed run draws the same numbers.
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        pool_A, pool_B, dropout = jax.random.split(key, 3)
        keys = Keys(pool_A, pool_B, dropout, key)
        of_step = rates(config, state.step, epoch_images=self.epoch_images, plateau=state.plateau)
        if config.accumulate == 1:
            work = self.at_once(state, reals, keys, of_step)
        else:
            work = accumulation.in_parts(self, state, reals, keys, of_step)

        generators, discriminators = work.generators, work.discriminators
        new_params = _folded(generators.params, work.made)
        new_state = state._replace(
            step=state.step + 1,
            generators=new_params,
            discriminators=self.judges_after(state, generators, discriminators),
            generator_optimizer=generators.optimizer_state,
            discriminator_optimizer=discriminators.optimizer_state,
            pool_A=work.pools[0],
            pool_B=work.pools[1],
            ema=_moving_average(state.ema, new_params, config.ema_decay),
        )
        metrics = generators.terms | discriminators.terms | self.changes(work.fakes, reals)
        metrics |= {"generators": generators.total, "discriminators": discriminators.total}
        return new_state, self.collectives.mean(metrics) | updates.metrics(of_step, generators, discriminators)

    def with_collectives(self, collectives: Collectives) -> "_Phases":
        """Return the same phases for a batch with other collectives."""
        return replace(self, collectives=collectives)

    def at_once(self, state: TrainState, reals: tuple[Images, Images], keys: Keys, of_step: Rates) -> Work:
        """Compute both updates from the whole batch."""
        real_A, real_B = reals
        # The generators run forward once, for both updates: the discriminators see the images, and later `pull_back`
        # turns the loss's gradient with respect to the images into that with respect to the generators' parameters.
        generated, pull_back, made = jax.vjp(
            lambda generators: self.generate(generators, real_A, real_B, keys.dropout), state.generators, has_aux=True
        )
        shown_A, pool_A = self.show_pool(state.pool_A, generated.fake_A, keys.pool_A)
        shown_B, pool_B = self.show_pool(state.pool_B, generated.fake_B, keys.pool_B)
        discriminators = self.update_discriminators(
            state,
            lambda: self.discriminator_gradients(state, (real_A, shown_A), (real_B, shown_B), keys),
            of_step,
        )
        # Both updates start from the same images and the same discriminators. The order decides only whether the
        # discriminators that judge the generators are the old or the updated ones.
        judges = discriminators.params if self.config.update_first == "discriminators" else state.discriminators
        found = self.generator_gradients(judges, generated, pull_back, reals, keys)
        generators = self.update_generators(state, found, of_step)
        return Work(generators, discriminators, (pool_A, pool_B), (generated.fake_A, generated.fake_B), made)

    def generate(
        self, generators: Params, real_A: Images, real_B: Images, dropout_key: Key[Array, ""]
    ) -> tuple[Generated, Passes]:
        """Translate the batch, translate the results back, and make the identity loss's images (paper, figure 3)."""
        loss, dropout = self.config.loss, self.config.generator.dropout > 0
        # A key for each image, by the image's place in the global batch: the same on any number of devices.
        image_keys = _fold_in_each(dropout_key, self.collectives.indices(len(real_A))) if dropout else None
        recomputed = Recomputed() if self.config.remat else None
        statistics: dict[str, Statistics] = {}

        def translate(direction: Direction, images: Images, passed: str) -> Images:
            keys = None
            if image_keys is not None:
                keys = jax.vmap(jax.random.fold_in, (0, None))(image_keys, PASSES.index(passed))
            forward = partial(self.forward, direction)
            if recomputed is not None:
                forward = partial(recomputed, forward)
            output, statistics[passed] = forward(generators[direction], images, keys)
            return output

        fake_B = translate("AtoB", real_A, "fake_B")
        fake_A = translate("BtoA", real_B, "fake_A")
        cycled_A = translate("BtoA", fake_B, "cycled_A")
        cycled_B = translate("AtoB", fake_A, "cycled_B")
        identity_A = identity_B = None
        if loss.identity_weight > 0 and loss.identity == "target":
            identity_A = translate("BtoA", real_A, "identity_A")
            identity_B = translate("AtoB", real_B, "identity_B")
        elif loss.identity_weight > 0:
            identity_A, identity_B = fake_B, fake_A
        # In the order of the official code, in which batch norms see them.
        passes = {
            direction: [statistics[name] for name in names if name in statistics]
            for direction, names in OFFICIAL_ORDER.items()
        }
        return Generated(fake_A, fake_B, cycled_A, cycled_B, identity_A, identity_B), passes

    def forward(
        self, direction: Direction, params: Params, images: Images, dropout_keys: Key[Array, " N"] | None
    ) -> tuple[Images, Statistics]:
        """Run one generator, given its own parameters."""
        return self.networks.generate_in_training({direction: params}, direction, images, dropout_keys, self.batch)

    @property
    def batch(self) -> OverBatch:
        """The batch as batch norms see it."""
        return OverBatch(self.collectives.mean, self.collectives.parts())

    def show_pool(self, pool: ImagePool | None, fakes: Images, key: Key[Array, ""]) -> tuple[Images, ImagePool | None]:
        """Return the images to show a discriminator, and the pool after them."""
        if pool is None:
            return fakes, None
        # Every device holds the whole pool and shows it the global batch, so that the pools stay equal.
        global_fakes = self.collectives.gather(fakes)
        pool, shown = image_pool.query(pool, global_fakes, self.draw(key, len(global_fakes), len(pool.images)))
        return self.collectives.own_part(shown), pool

    def seen(self, domain: Domain, images: Images, keys: Keys) -> Images:
        """Return images as a discriminator sees them: the real and the generated ones at a place augmented alike."""
        names = self.config.discriminator.augmentations
        if not names:
            return images
        of_images = image_keys(keys.step, AUGMENTATION_KEY, domain, self.collectives.indices(len(images)))
        return diff_augment.augment(images, diff_augment.draw(of_images), names)

    def discriminator_gradients(
        self, state: TrainState, images_A: tuple[Images, Images], images_B: tuple[Images, Images], keys: Keys
    ) -> Gradients:
        """Return the gradients of the discriminators' loss on each domain's real and shown images."""
        real_A, shown_A = (self.seen("A", images, keys) for images in images_A)
        real_B, shown_B = (self.seen("B", images, keys) for images in images_B)

        def objective(discriminators: Params) -> tuple[jax.Array, tuple[Terms, Passes]]:
            judge = partial(self.networks.judge_in_training, discriminators, batch=self.batch)
            scores_real_A, seen_real_A = judge("A", real_A)
            scores_fake_A, seen_fake_A = judge("A", shown_A)
            scores_real_B, seen_real_B = judge("B", real_B)
            scores_fake_B, seen_fake_B = judge("B", shown_B)
            total, terms = discriminator_objective(
                scores_real_A, scores_fake_A, scores_real_B, scores_fake_B, self.config.loss
            )
            return total, (terms, {"A": [seen_real_A, seen_fake_A], "B": [seen_real_B, seen_fake_B]})

        (total, (terms, passes)), grads = jax.value_and_grad(objective, has_aux=True)(state.discriminators)
        if self.config.loss.penalty != "none":
            pairs: dict[Domain, tuple[Images, Images]] = {"A": (real_A, shown_A), "B": (real_B, shown_B)}
            grads, added, penalties = gradient_penalty.added_to(
                grads,
                partial(self.penalties, pairs=pairs, keys=keys),
                state.discriminators,
                updates.number_of(state.step, self.config.discriminator.every),
                self.config.loss.gradient_penalty_every,
            )
            total, terms = total + added, terms | penalties
        return Gradients(grads, total, terms, passes)

    def penalties(
        self, discriminators: Params, pairs: Mapping[Domain, tuple[Images, Images]], keys: Keys
    ) -> tuple[jax.Array, Terms]:
        """Return the discriminators' gradient penalties: their part of the loss, and each of them."""
        found: dict[Domain, jax.Array] = {}
        for domain, (real, shown) in pairs.items():
            judge = partial(self.networks.judge, discriminators, domain)
            of_images = image_keys(keys.step, PENALTY_KEY, domain, self.collectives.indices(len(real)))
            found[domain] = gradient_penalty.penalty(judge, real, shown, of_images, self.config.loss.penalty)
        return penalty_objective(found, self.config.loss)

    def update_discriminators(self, state: TrainState, gradients: Callable[[], Gradients], of_step: Rates) -> Updated:
        """Descend the discriminators' loss, in the steps in which they are updated."""
        params, optimizer_state = state.discriminators, state.discriminator_optimizer

        def update() -> Updated:
            return self.descend(gradients(), optimizer_state, params, of_step.discriminators)

        return updates.every(self.config.discriminator.every, state.step, update, params, optimizer_state)

    def generator_gradients(
        self,
        judges: Params,
        generated: Generated,
        pull_back: Callable[[Generated], tuple[Params]],
        reals: tuple[Images, Images],
        keys: Keys,
    ) -> Gradients:
        """Return the gradients of the generators' loss against the discriminators `judges`."""

        def objective(generated: Generated) -> tuple[jax.Array, tuple[Terms, Passes]]:
            judge = partial(self.networks.judge_in_training, judges, batch=self.batch)
            scores_A, seen_A = judge("A", self.seen("A", generated.fake_A, keys))
            scores_B, seen_B = judge("B", self.seen("B", generated.fake_B, keys))
            total, terms = generator_objective(generated, *reals, scores_A, scores_B, self.config.loss, self.extra)
            return total, (terms, {"A": [seen_A], "B": [seen_B]})

        (total, (terms, passes)), image_grads = jax.value_and_grad(objective, has_aux=True)(generated)
        (grads,) = pull_back(image_grads)
        return Gradients(grads, total, terms, passes)

    def update_generators(self, state: TrainState, found: Gradients, of_step: Rates) -> Updated:
        """Descend the generators' loss."""
        return self.descend(found, state.generator_optimizer, state.generators, of_step.generators)

    def descend(self, found: Gradients, optimizer_state: Any, params: Params, rate: jax.Array) -> Updated:
        """Average the gradients over the devices and take an optimizer step at the learning rate `rate`."""
        found = found._replace(grads=self.collectives.mean(found.grads))
        return updates.descend(found, self.optimizer, optimizer_state, params, rate, self.config.optimizer)

    def judges_after(self, state: TrainState, generators: Updated, discriminators: Updated) -> Params:
        """Return the discriminators' new parameters, with the running statistics of all their passes in a step."""
        in_order = _joined(generators.passes, discriminators.passes)
        if self.config.update_first == "discriminators":
            in_order = _joined(discriminators.passes, generators.passes)
        folded, every = _folded(discriminators.params, in_order), self.config.discriminator.every
        if every == 1:
            return folded
        # A step that does not update them has passes of the generators' loss alone.
        due, judged = (
            updates.updates_discriminators(state.step, every),
            _folded(discriminators.params, generators.passes),
        )
        return jax.tree.map(lambda both, one: jnp.where(due, both, one), folded, judged)

    def changes(self, fakes: tuple[jax.Array, jax.Array], reals: tuple[jax.Array, jax.Array]) -> Metrics:
        """Return how far each generator moves its input, which shows a generator that only copies it."""
        if self.config.data.channels_A != self.config.data.channels_B:
            return {}
        (fake_A, fake_B), (real_A, real_B) = fakes, reals
        return {"change_AtoB": l1(fake_B, real_A), "change_BtoA": l1(fake_A, real_B)}


def image_keys(key: Key[Array, ""], purpose: int, domain: Domain, indices: Int[Array, " N"]) -> Key[Array, " N"]:
    """Return a random key for each image, by its index in the global batch: the same on any number of devices.

    Args:
        key: the step's key.
        purpose: what is drawn, such as `PENALTY_KEY`.
        domain: the domain of the images.
        indices: their indices.
    """
    return _fold_in_each(jax.random.fold_in(key, purpose + "AB".index(domain)), indices)


def _joined(first: Passes, then: Passes) -> Passes:
    return {name: [*passes, *then[name]] for name, passes in first.items()}


def _folded(params: Params, passes: Passes) -> Params:
    return {name: batch_norm.fold(network, passes[name]) for name, network in params.items()}


def _moving_average(average: Params | None, params: Params, decay: float) -> Params | None:
    if average is None:
        return None
    return jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, average, params)


def _fold_in_each(key: Key[Array, ""], numbers: jax.Array) -> Key[Array, " N"]:
    return jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
