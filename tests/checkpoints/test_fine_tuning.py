"""Starting a new run from another run's weights."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints import fine_tuning
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import GeneratorConfig, TrainConfig
from cyclegan_jax.errors import UserError
from tests.conftest import tiny_config


def fresh(config: TrainConfig) -> state.TrainState:
    return state.create(config, optimizer.adam(config.optimizer))


def saved_run(folder: Path, config: TrainConfig) -> state.TrainState:
    """Save a run at step 3, with weights that differ from all initial ones, and return its state."""
    old = jax.tree.map(lambda leaf: leaf + 1, fresh(config))._replace(step=jax.numpy.int32(3))
    if old.ema is not None:
        old = old._replace(ema=jax.tree.map(lambda leaf: leaf + 1, old.ema))
    with CheckpointWriter(folder, config) as saved:
        saved.save(old, {"pairs": 3})
    return old


def same(one: object, other: object) -> bool:
    return all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def test_networks_are_copied_and_the_rest_is_new(tmp_path, log_lines):
    config = tiny_config(ema_decay=0.5)
    old = saved_run(tmp_path, config)
    new = fine_tuning.start_from(tmp_path, fresh(config))
    for name in ("generators", "discriminators", "ema"):
        assert same(getattr(new, name), getattr(old, name)), name
    for name in ("step", "key", "generator_optimizer", "discriminator_optimizer", "pool_A"):
        assert same(getattr(new, name), getattr(fresh(config), name)), name
    assert not same(new.ema, new.generators)
    number = len(jax.tree.leaves((old.generators, old.discriminators, old.ema)))
    assert log_lines == [f"starting from the weights of {tmp_path} at step 3: {number} of {number} arrays"]


def test_the_folder_of_a_checkpoint_can_be_given(tmp_path, log_lines):
    config = tiny_config()
    saved_run(tmp_path, config)
    folder = tmp_path / "checkpoints" / "3"
    fine_tuning.start_from(folder, fresh(config))
    assert log_lines[0].startswith(f"starting from the weights of {folder} at step 3: ")


def test_a_new_average_starts_from_the_weights(tmp_path):
    old = saved_run(tmp_path, tiny_config())
    new = fine_tuning.start_from(tmp_path, fresh(tiny_config(ema_decay=0.5)))
    assert same(new.ema, old.generators)


def test_a_new_average_has_buffers_of_its_own(tmp_path: Path) -> None:
    """The training step donates the state: JAX rejects a buffer that is donated twice."""
    saved_run(tmp_path, tiny_config())
    new = fine_tuning.start_from(tmp_path, fresh(tiny_config(ema_decay=0.5)))
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((new.generators, new.discriminators, new.ema))]
    assert len(set(pointers)) == len(pointers)


def test_arrays_that_do_not_fit_are_logged_and_new(tmp_path, log_lines):
    config = tiny_config()
    old = saved_run(tmp_path, config)
    gray = dataclasses.replace(config, data=dataclasses.replace(config.data, channels_A=1))
    deeper = dataclasses.replace(gray, generator=GeneratorConfig(blocks=2, width=4))
    new = fine_tuning.start_from(tmp_path, fresh(deeper))
    (line,) = log_lines
    assert "there, (" in line
    assert "here" in line
    assert "more" in line
    same_shape = jax.tree.map(
        lambda leaf, other: leaf.shape == other.shape, new.discriminators["B"], old.discriminators["B"]
    )
    assert all(jax.tree.leaves(same_shape))
    assert same(new.discriminators["B"], old.discriminators["B"])
    first = jax.tree.leaves(new.discriminators["A"])
    assert any(map(np.array_equal, first, jax.tree.leaves(fresh(deeper).discriminators["A"])))


def test_another_dtype_is_converted(tmp_path):
    old = saved_run(tmp_path, tiny_config())
    with jax.enable_x64(True):
        new = fine_tuning.start_from(tmp_path, fresh(tiny_config(dtype="float64")))
    assert {leaf.dtype for leaf in jax.tree.leaves(new.generators)} == {np.dtype("float64")}
    assert same(new.generators, old.generators)


def test_no_run_and_nothing_that_fits_are_errors(tmp_path):
    with pytest.raises(UserError, match="has no checkpoints"):
        fine_tuning.start_from(tmp_path, fresh(tiny_config()))
    saved_run(tmp_path, tiny_config())
    empty = fresh(tiny_config())._replace(generators={}, discriminators={"C": {"kernel": jax.numpy.ones(3)}}, ema=None)
    with pytest.raises(UserError, match=r"nothing of --init_from=.* fits"):
        fine_tuning.start_from(tmp_path, empty)
