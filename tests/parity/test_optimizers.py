"""Schedules, weight decay and clipping against PyTorch's, by themselves and in training steps."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from cyclegan_jax import learning_rates, optimizer, state
from cyclegan_jax.config import OptimizerConfig, TrainConfig
from tests.helpers.lockstep import (
    EPOCH_IMAGES,
    draws_of_step,
    lockstep_config,
    make_batches,
    make_scripts,
    scripted_step,
)
from tests.parity import reference_training as reference
from tests.parity.exchange import assert_same, nchw
from tests.parity.lockstep_reference import make_reference, with_weights_of

pytestmark = pytest.mark.usefixtures("x64")

RATE = 3e-4


def torch_optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)


@pytest.mark.parametrize(
    ("changes", "make"),
    [
        (
            {"constant_epochs": 4, "decay_epochs": 8},
            lambda of: lr_scheduler.LambdaLR(of, lambda epoch: reference.lr_factor_official(epoch, 4, 8)),
        ),
        (
            {"schedule": "cosine", "constant_epochs": 0, "decay_epochs": 12},
            lambda of: lr_scheduler.CosineAnnealingLR(of, T_max=12, eta_min=0),
        ),
        (
            {"schedule": "step", "step_epochs": 3, "constant_epochs": 12, "decay_epochs": 0},
            lambda of: lr_scheduler.StepLR(of, step_size=3, gamma=0.1),
        ),
        ({"schedule": "constant"}, lambda of: lr_scheduler.ConstantLR(of, factor=1.0)),
        # An epoch of one image: the warm-up counts steps.
        (
            {"schedule": "constant", "warmup_steps": 5},
            lambda of: lr_scheduler.LinearLR(of, start_factor=1 / 5, total_iters=4),
        ),
    ],
    ids=["linear", "cosine", "step", "constant", "warm-up"],
)
def test_the_rate_of_each_epoch(changes: dict[str, Any], make: Callable[[Any], Any]) -> None:
    config = OptimizerConfig(learning_rate=RATE, **changes)
    theirs = torch_optimizer()
    scheduler = make(theirs)
    for epoch in range(12):
        factor = learning_rates.factor(config, epoch, batch_size=1, epoch_images=1)
        assert RATE * float(factor) == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-8), epoch
        theirs.step()
        scheduler.step()


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("patience", [0, 2, 5])
def test_plateau(better: Any, patience: int) -> None:
    theirs = torch_optimizer()
    scheduler = lr_scheduler.ReduceLROnPlateau(
        theirs, mode="min" if better == "lower" else "max", factor=0.2, threshold=0.01, patience=patience
    )
    config = OptimizerConfig(learning_rate=RATE, schedule="plateau", plateau_patience=patience)
    ours = learning_rates.fresh_plateau()
    rng = np.random.default_rng(patience)
    rates = set()
    # Better by less and by more than 1%, and worse.
    for score in np.cumprod(rng.uniform(0.97, 1.02, 24) if better == "lower" else rng.uniform(0.98, 1.03, 24)):
        scheduler.step(score)
        values = learning_rates.after_score(ours, float(score), better, patience)
        ours = ours._replace(**{name: jnp.asarray(value, getattr(ours, name).dtype) for name, value in values.items()})
        rate = RATE * float(learning_rates.factor(config, 7, batch_size=1, epoch_images=1, plateau=ours))
        # Below this, PyTorch leaves the rate alone.
        if rate > 1e-7:
            assert rate == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-8)
            rates.add(rate)
    assert len(rates) > 1
    assert int(ours.scores) == 24


@pytest.mark.parametrize(
    ("kind", "theirs"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)], ids=["adam", "adamw"]
)
@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_weight_decay_and_clipping(kind: Any, theirs: Any, clip: float) -> None:
    """Ten updates; the gradients' norm is above the limit in some of them and below in others."""
    config = OptimizerConfig(learning_rate=0.02, kind=kind, weight_decay=0.3, clip=clip)
    rng = np.random.default_rng(0)
    params: Any = {"a": {"kernel": rng.normal(size=(3, 4))}, "b": {"bias": rng.normal(size=5)}}
    tensors = [torch.nn.Parameter(torch.tensor(leaf)) for leaf in jax.tree.leaves(params)]
    reference_optimizer = theirs(tensors, lr=0.02, betas=(0.5, 0.999), weight_decay=0.3)
    transform = optimizer.adam(config)
    moments, clipped = transform.init(params), 0
    for _ in range(10):
        grads: Any = jax.tree.map(lambda leaf: 0.15 * rng.normal(size=leaf.shape), params)
        for tensor, grad in zip(tensors, jax.tree.leaves(grads), strict=True):
            tensor.grad = torch.tensor(grad)
        if clip:
            expected = torch.nn.utils.clip_grad_norm_(tensors, clip)
            grads, norm = optimizer.clipped(grads, clip)
            assert float(norm) == pytest.approx(float(expected), rel=1e-12)
            clipped += float(norm) > clip
        reference_optimizer.step()
        updates, moments = transform.update(grads, moments, params)
        params = jax.tree.map(lambda param, update: param - 0.02 * update, params, updates)
        for tensor, leaf in zip(tensors, jax.tree.leaves(params), strict=True):
            np.testing.assert_allclose(leaf, tensor.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert not clip or 0 < clipped < 10


def test_weight_decay_leaves_running_statistics_alone() -> None:
    params: Any = {"norm": {"mean": jnp.ones(3), "var": jnp.ones(3), "scale": jnp.ones(3)}}
    nothing = jax.tree.map(jnp.zeros_like, params)
    for kind in ("adam", "adamw"):
        transform = optimizer.adam(OptimizerConfig(kind=kind, weight_decay=0.1))
        updates: Any = transform.update(nothing, transform.init(params), params)[0]
        assert float(updates["norm"]["scale"][0]) > 0.09
        assert not updates["norm"]["mean"].any() and not updates["norm"]["var"].any()


class EveryOther:
    """An optimizer that steps only every second time."""

    def __init__(self, of: torch.optim.Optimizer):
        self.of, self.calls = of, 0

    def zero_grad(self) -> None:
        self.of.zero_grad()

    def step(self) -> None:
        self.calls += 1
        if self.calls % 2 == 0:
            self.of.step()


def tuned_reference(config: TrainConfig, scripts: Any) -> reference.OfficialTrainer:
    """The official trainer with all that the config adds to its optimizers."""
    theirs = make_reference("paper", config, "adam", scripts)
    assert isinstance(theirs, reference.OfficialTrainer)
    chosen = config.optimizer

    def before_step(of: torch.optim.Optimizer, *_: Any) -> None:
        (group,) = of.param_groups
        torch.nn.utils.clip_grad_norm_(group["params"], chosen.clip)
        # The trainer has set the rate of all groups.
        group["lr"] *= group["ratio"]

    theirs.factor = lambda step: float(
        np.minimum(1, (step + 1) / chosen.warmup_steps) * (1 + np.cos(np.pi * step / chosen.decay_epochs)) / 2
    )

    for of, rate in ((theirs.optimizer_G, chosen.learning_rate), (theirs.optimizer_D, 4 * chosen.learning_rate)):
        for group in of.param_groups:
            group["weight_decay"] = chosen.weight_decay
            group["ratio"] = rate / chosen.learning_rate
        of.register_step_pre_hook(before_step)
    theirs.optimizer_D = EveryOther(theirs.optimizer_D)  # type: ignore[assignment]
    return theirs


def test_five_steps_in_lockstep_with_everything_on() -> None:
    """Weight decay, clipping, warm-up, a cosine, a rate of the discriminators' own, and every second update of them."""
    plain = lockstep_config("paper")
    config = dataclasses.replace(
        plain,
        optimizer=OptimizerConfig(
            schedule="cosine",
            constant_epochs=0,
            decay_epochs=10,
            warmup_steps=3,
            weight_decay=0.1,
            clip=0.3,
            discriminator_learning_rate=4 * plain.optimizer.learning_rate,
        ),
        discriminator=dataclasses.replace(plain.discriminator, every=2),
    )
    assert config.batch_size == EPOCH_IMAGES, "an epoch is a step"
    batches, scripts = make_batches(config), make_scripts(config)
    theirs = tuned_reference(config, scripts)
    transform = optimizer.adam(config.optimizer)
    ours = with_weights_of(theirs, jax.jit(lambda: state.create(config, transform))())
    one_step = scripted_step(config, transform, None)
    for step in range(5):
        real_A, real_B = batches[step]
        expected = theirs.step(nchw(real_A), nchw(real_B))
        draws = draws_of_step(scripts, step, config.batch_size)
        ours, metrics = one_step(ours, {"A": jnp.asarray(real_A), "B": jnp.asarray(real_B)}, draws)
        for name, value in expected.items():
            unknown = name.startswith("discriminator") and step % 2 == 0
            assert float(metrics[name]) == pytest.approx(np.nan if unknown else value, rel=1e-8, nan_ok=True), name
        assert float(metrics["discriminator_learning_rate"]) == pytest.approx(4 * float(metrics["learning_rate"]))
        assert float(metrics["gradient_norm_generators"]) > 0.3, "else nothing is clipped"
        assert_same(
            {"generators": ours.generators, "discriminators": ours.discriminators},
            {
                "generators": with_weights_of(theirs, ours).generators,
                "discriminators": with_weights_of(theirs, ours).discriminators,
            },
            relative=1e-8,
            # Of the biases that a norm cancels: near 0 Adam divides their decay by almost nothing, so that a rounding
            # error becomes an update of any sign. No image depends on them.
            absolute=1e-2,
            what=f"{step}",
        )
