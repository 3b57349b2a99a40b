"""Which config fields a resumed run may change."""

import dataclasses
from typing import Any

import pytest

from cyclegan_jax import config_dict
from cyclegan_jax.checkpoints import config_changes
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from tests.conftest import tiny_config


def changed(config: TrainConfig, name: str, value: Any) -> TrainConfig:
    part, _, field = name.rpartition(".")
    if not part:
        return dataclasses.replace(config, **{name: value})
    return dataclasses.replace(config, **{part: dataclasses.replace(getattr(config, part), **{field: value})})


FREE: dict[str, Any] = {
    "steps": 9,
    "log_every": "3epochs",
    "snapshot_every": "1epoch",
    "precision": "highest",
    "parallel": "pmap",
    "data.dir": "elsewhere",
    "data.threads": 5,
}
WHEN_ALLOWED: dict[str, Any] = {
    "optimizer.learning_rate": 1e-4,
    "optimizer.decay_epochs": 7,
    "loss.cycle_weight_A": 5.0,
    "loss.identity_weight": 0.5,
    "loss.gan": "hinge",
    "loss.gradient_penalty": "r1",
    "discriminator.augment": "color",
    "update_first": "discriminators",
    "generator.dropout": 0.5,
    "ema_decay": 0.9,
    "data.source": "streets",
    "data.flip": False,
}
REFUSED: dict[str, Any] = {
    "generator.width": 8,
    "generator.upsample": "resize",
    "generator.norm": "batch",
    "generator.kind": "unet",
    "generator.antialias": True,
    "discriminator.kind": "pixel",
    "discriminator.n_layers": 2,
    "pool_size": 4,
    "dtype": "bfloat16",
    "batch_size": 2,
    "seed": 1,
    "init": "xavier",
    "data.image_size": 32,
    "data.labels": "A",
    "data.name": "horse2zebra",
    "data.preprocess": "crop",
    "data.range_A": (0.0, 4095.0),
    "init_from": "runs/other",
}


def test_every_field_is_of_one_kind():
    kinds = (config_changes.FREE, config_changes.WHEN_ALLOWED, config_changes.FIXED)
    fields = sorted(config_dict.fields(TrainConfig()))
    assert sorted(name for kind in kinds for name in kind) == fields, "a new field has no kind yet, or a kind twice"


@pytest.mark.parametrize("name", FREE)
def test_free_changes_are_listed(name):
    config = tiny_config(ema_decay=0.5)
    (change,) = config_changes.check(config, changed(config, name, FREE[name]), "runs/x")
    assert change.startswith(f"{name} ")
    assert change.endswith(f" -> {FREE[name]}")


@pytest.mark.parametrize("name", WHEN_ALLOWED)
def test_another_experiment_needs_a_word(name):
    config = tiny_config(ema_decay=0.5)
    after = changed(config, name, WHEN_ALLOWED[name])
    said = rf"runs/x holds a run .*\({name} .* -> {WHEN_ALLOWED[name]}\): .*--allow_changes .*--workdir"
    with pytest.raises(UserError, match=said):
        config_changes.check(config, after, "runs/x")
    (change,) = config_changes.check(config, after, "runs/x", allow_changes=True)
    assert change.startswith(f"{name} ")


@pytest.mark.parametrize("name", REFUSED)
def test_other_changes_are_errors(name):
    config = changed(tiny_config(), "data.load_size", 40)
    with pytest.raises(UserError, match=rf"runs/x holds a run .*\({name} .* -> .*--init_from=runs/x"):
        config_changes.check(config, changed(config, name, REFUSED[name]), "runs/x", allow_changes=True)


def test_all_refused_changes_are_in_one_message():
    config = tiny_config()
    with pytest.raises(UserError, match=r"data\.channels_A 3 -> 1, data\.channels_B 3 -> 1"):
        config_changes.check(config, changed(changed(config, "data.channels_A", 1), "data.channels_B", 1), "runs/x")


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.9), (0.9, 0.0)])
def test_an_average_cannot_be_switched_on_or_off(before, after):
    with pytest.raises(UserError, match=f"ema_decay {before} -> {after}"):
        config_changes.check(tiny_config(ema_decay=before), tiny_config(ema_decay=after), "runs/x")


def test_a_fine_tuned_run_resumes_with_or_without_init_from():
    config = tiny_config(init_from="runs/first")
    assert config_changes.check(config, config, "runs/x") == []
    assert config_changes.check(config, tiny_config(), "runs/x") == []
    # Earlier versions stored the path as it was typed.
    assert config_changes.check(config, tiny_config(init_from="/home/me/runs/first"), "runs/x") == []
    with pytest.raises(UserError, match=r"init_from runs/first -> /home/me/runs/second"):
        config_changes.check(config, tiny_config(init_from="/home/me/runs/second"), "runs/x")


def test_an_unchanged_config_lists_nothing():
    assert config_changes.check(tiny_config(), tiny_config(), "runs/x") == []
