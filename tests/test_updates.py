"""A discriminator that is updated in every third step only: the steps between, in the program and in a run's logs."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.config import GeneratorConfig, TrainConfig
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from cyclegan_jax.training import loop as training
from tests.conftest import tiny_config
from tests.evaluation import scenes

EVERY = 3


def config_for(norm: Any) -> TrainConfig:
    base = tiny_config()
    return tiny_config(
        generator=GeneratorConfig(blocks=1, width=4),
        discriminator=dataclasses.replace(base.discriminator, norm=norm, every=EVERY),
        steps=5,
        log_every=1,
    )


@pytest.mark.parametrize("update_first", ["generators", pytest.param("discriminators", marks=pytest.mark.slow)])
def test_steps_between_updates_leave_the_discriminators(update_first: Any) -> None:
    """Only batch norm's statistics move, by the passes of the generators' loss; the pools fill in all steps."""
    config = dataclasses.replace(config_for("batch"), update_first=update_first)
    transform = optimizer.adam(config.optimizer)
    step = make_train_step(config, cyclegan.define(config), transform, epoch_images=9)
    states = [jax.jit(lambda: state.create(config, transform))()]
    rng = np.random.default_rng(0)
    batch = {domain: rng.integers(0, 256, (2, 24, 24, 3), dtype=np.uint8) for domain in "AB"}
    compiled = jax.jit(step).lower(states[0], batch).compile()
    assert "conditional(" in str(compiled.as_text()), "the steps between would pay for the update"
    for number in (1, 2, 3):
        after, metrics = compiled(states[-1], batch)
        states.append(after)
        unknown = {name for name, value in metrics.items() if math.isnan(value)}
        of_discriminators = {"discriminators", "discriminator_A", "discriminator_B"}
        assert unknown == (set() if number == EVERY else of_discriminators)
    for before, after, moved in zip(states, states[1:], (False, False, True), strict=False):
        first, then = (each.discriminators["A"]["convs"][1] for each in (before, after))
        assert np.array_equal(first["kernel"], then["kernel"]) != moved
        assert not np.array_equal(first["mean"], then["mean"])
        assert np.isfinite(then["mean"]).all()
        assert (int(after.discriminator_optimizer.count) > int(before.discriminator_optimizer.count)) == moved
        assert int(after.generator_optimizer.count) == int(before.generator_optimizer.count) + 1
    assert [int(each.pool_A.filled) for each in states if each.pool_A is not None] == [0, 2, 3, 3]


def test_the_log_repeats_the_loss_of_the_last_update(tmp_path: Path, log_lines: list[str]) -> None:
    scenes.write_scenes(tmp_path / "data", 3)
    config = config_for("instance")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=str(tmp_path / "data")))
    training.train(config, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line.get("loss/discriminator_A") for line in lines]
    assert losses[:2] == [None, None]
    assert losses[2] is not None and losses[2:] == [losses[2]] * 3
    assert len({line["loss/gan_AtoB"] for line in lines}) == 5
    progress = [line for line in log_lines if line.startswith("step ")]
    assert "  D " not in progress[0] and "  D " in progress[3]
