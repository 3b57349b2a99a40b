"""The config rejects values that training cannot use, in one sentence with the field's name."""

import dataclasses
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cyclegan_jax import config_dict, config_paths, recipes
from cyclegan_jax.config import (
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LossConfig,
    OptimizerConfig,
    TrainConfig,
)
from cyclegan_jax.data_config import AugmentConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.training import loop


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (DataConfig, {"labels": "C"}, "data.labels is 'C', but it must be one of A, B or None"),
        (DataConfig, {"source": "zip"}, "data.source is 'zip', but it must be one of streets, folder"),
        (
            DataConfig,
            {"image_size": "64 px"},
            "data.image_size is '64 px', but it must be an integer, or height x width",
        ),
        (DataConfig, {"image_size": "64x"}, "data.image_size is '64x', but it must be an integer, or height x width"),
        (DataConfig, {"image_size": True}, "data.image_size is True, but it must be an integer, or height x width"),
        (DataConfig, {"image_size": "64x4"}, "data.image_size is '64x4', but it must be at least 8"),
        (DataConfig, {"image_size": 4}, "data.image_size is 4, but it must be at least 8"),
        (
            DataConfig,
            {"image_size": 64, "load_size": 60},
            "data.load_size is 60, but it must be at least data.image_size",
        ),
        (
            DataConfig,
            {"image_size": "64x96", "load_size": "80x90"},
            "data.load_size is '80x90', but it must be at least data.image_size (64x96)",
        ),
        (
            DataConfig,
            {"image_size": "64x96", "load_size": "80x99", "preprocess": "scale_width_and_crop"},
            "data.load_size is '80x99', but it must be one number if data.preprocess is scale_width_and_crop",
        ),
        (
            DataConfig,
            {"image_size": "64x96", "load_size": 80, "preprocess": "scale_width"},
            "data.load_size is 80, but it must be at least data.image_size (64x96)",
        ),
        (DataConfig, {"load_size": 7.5}, "data.load_size is 7.5, but it must be an integer, or height x width"),
        (DataConfig, {"channels_A": 65}, "data.channels_A is 65, but it must be at most 64"),
        (DataConfig, {"bands_A": (1, 2, 3)}, "data.bands_A is (1, 2, 3), but with data.channels_A 3 and one range for"),
        (
            DataConfig,
            {"channels_A": 5, "bands_A": (6, 1, 1)},
            "data.bands_A is (6, 1, 1), but it must be three numbers from 1 to 5, or None",
        ),
        (
            DataConfig,
            {"channels_A": 2, "range_A": ((0.0, 1.0),)},
            "data.range_A is ((0.0, 1.0),), but it must be 2 pairs of finite values, one per channel, the lower first",
        ),
        (
            DataConfig,
            {"range_A": ((0.0, 1.0), 2.0)},
            "data.range_A is ((0.0, 1.0), 2.0), but it must be 2 values, each",
        ),
        (
            DataConfig,
            {"channels_A": 2, "augment_A": AugmentConfig(hue=0.1)},
            "data.augment_A.hue is 0.1, but data.channels_A is 2, which has no colours: set it to 0",
        ),
        (DataConfig, {"channels_A": True}, "data.channels_A is True"),
        (DataConfig, {"labels": "B", "channels_B": 1}, "data.channels_B is 1: set it to 3, or data.labels to None"),
        (DataConfig, {"labels": "A", "range_A": (0.0, 9.0)}, "data.range_A is (0.0, 9.0), but data.labels is 'A'"),
        (DataConfig, {"threads": 0}, "data.threads is 0"),
        (GeneratorConfig, {"blocks": -1}, "generator.blocks is -1"),
        (GeneratorConfig, {"dropout": 1.0}, "generator.dropout is 1.0"),
        (DiscriminatorConfig, {"n_layers": 0}, "discriminator.n_layers is 0"),
        (DiscriminatorConfig, {"width": False}, "discriminator.width is False, but it must be an integer"),
        (LossConfig, {"cycle_weight_A": -1.0}, "loss.cycle_weight_A is -1.0"),
        (LossConfig, {"discriminator_domains": "max"}, "loss.discriminator_domains is 'max', but it must be one of"),
        (LossConfig, {"gan": "wgan"}, "loss.gan is 'wgan', but it must be one of lsgan, vanilla, hinge, wgangp"),
        (LossConfig, {"gradient_penalty": "r2"}, "loss.gradient_penalty is 'r2', but it must be one of none, wgangp"),
        (LossConfig, {"gradient_penalty_weight": 0}, "loss.gradient_penalty_weight is 0, but it must be above 0"),
        (LossConfig, {"gradient_penalty_every": 0}, "loss.gradient_penalty_every is 0, but it must be at least 1"),
        *(
            (
                DiscriminatorConfig,
                {"augment": text},
                f"discriminator.augment is {text!r}, but it must be some of color,",
            )
            for text in ("", "colour", "color, cutout", "color,color", "color,")
        ),
        (OptimizerConfig, {"beta1": 1.0}, "optimizer.beta1 is 1.0"),
        (OptimizerConfig, {"constant_epochs": 0, "decay_epochs": 0}, "optimizer.decay_epochs is 0"),
        (TrainConfig, {"batch_size": 0}, "batch_size is 0, but it must be at least 1"),
        (TrainConfig, {"seed": -1}, "seed is -1"),
        (TrainConfig, {"steps": 0}, "steps is 0"),
        (TrainConfig, {"steps": "200"}, "steps is '200', but it must be a number of steps, such as 5000, or of epochs"),
        (TrainConfig, {"eval_every": "0epochs"}, "eval_every is '0epochs', but it must be above 0 epochs"),
        (TrainConfig, {"stop_after": 2}, "stop_after is 2 evaluations, but eval_every is 0"),
        (TrainConfig, {"data": 3}, "data is 3, but it must be a DataConfig"),
        (TrainConfig, {"dtype": "float16"}, "dtype is 'float16', but it must be one of float32, bfloat16, float64"),
    ],
)
def test_an_error_reports_the_field_and_its_value(kind: type[Any], values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        kind(**values)
    assert message in str(error.value)


def test_identity_loss_needs_equal_channels() -> None:
    data, loss = DataConfig(channels_A=1), LossConfig(identity_weight=0.5)
    with pytest.raises(UserError, match=r"data\.channels_A is 1, data\.channels_B 3"):
        TrainConfig(data=data, loss=loss)
    TrainConfig(data=data)


def test_a_gradient_penalty_needs_scores_of_single_images() -> None:
    batch = DiscriminatorConfig(norm="batch")
    for loss in (LossConfig(gan="wgangp"), LossConfig(gradient_penalty="r1")):
        with pytest.raises(UserError, match=r"discriminator\.norm 'batch' .*: choose discriminator\.norm instance"):
            TrainConfig(discriminator=batch, loss=loss)
    TrainConfig(discriminator=batch, loss=LossConfig(gan="wgangp", gradient_penalty="none"))


def test_the_names_of_augmentations_keep_their_order() -> None:
    assert DiscriminatorConfig(augment="cutout,color").augmentations == ("cutout", "color")
    assert DiscriminatorConfig().augmentations == ()


def test_default_load_size_keeps_the_official_ratio() -> None:
    assert [DataConfig(image_size=size).resolved_load_size for size in (64, 128, 256)] == [
        (n, n) for n in (72, 143, 286)
    ]
    assert DataConfig(image_size=64, load_size=64).resolved_load_size == (64, 64)
    assert DataConfig(image_size="64x128").resolved_load_size == (72, 143)
    assert DataConfig(image_size="64x128", load_size=150).resolved_load_size == (150, 150)


def test_equal_sizes_are_equal_however_they_are_written() -> None:
    square = DataConfig(image_size=64, load_size=72)
    assert DataConfig(image_size="64x64", load_size="72") == square
    assert (square.image_size, square.crop_size) == (64, (64, 64))
    wide = DataConfig(image_size="64x128")
    assert (wide.image_size, wide.crop_size) == ("64x128", (64, 128))


@pytest.mark.parametrize("recipe", [recipes.paper, recipes.pytorch_gan, recipes.simplified])
def test_a_config_survives_its_dictionary(recipe: Callable[[], TrainConfig]) -> None:
    data = DataConfig(dir="somewhere", labels="B", range_A=((0.0, 4095.0),) * 3, image_size="64x128")
    config = dataclasses.replace(recipe(), data=data, steps=7)
    assert config_dict.from_dict(config_dict.to_dict(config)) == config


def test_epochs_survive_json() -> None:
    config = TrainConfig(steps="200epochs", checkpoint_every="0.5epochs", snapshot_every="10epochs", eval_every=500)
    assert config_dict.from_dict(json.loads(json.dumps(config_dict.to_dict(config)))) == config


def test_a_dictionary_from_before_a_field_is_the_same_recipe() -> None:
    """Before `loss.discriminator_domains`, `loss.domains` held for the discriminators too, as its default says."""
    for recipe in (recipes.paper(), recipes.simplified()):
        values = config_dict.to_dict(recipe)
        del values["loss"]["discriminator_domains"]
        assert config_dict.from_dict(values) == recipe


def test_an_unknown_field_of_a_dictionary_is_an_error() -> None:
    with pytest.raises(UserError, match=r"unknown field data\.mirror"):
        config_dict.from_dict({"data": {"mirror": True}})


def test_differences_report_nested_fields() -> None:
    before, after = TrainConfig(), TrainConfig(steps=9, optimizer=OptimizerConfig(beta1=0.4))
    changed = config_dict.changes(before, after)
    assert changed == {"optimizer.beta1": (0.5, 0.4), "steps": (None, 9)}
    assert config_dict.shown(changed, {"optimizer.beta1"}) == ["optimizer.beta1 0.5 -> 0.4"]
    assert config_dict.changes(before, before) == {}


@dataclasses.dataclass(frozen=True)
class OwnLoss(LossConfig):
    """A loss config with a field of a user's own."""

    mine: float = 1.0


@dataclasses.dataclass(frozen=True)
class OwnConfig(TrainConfig):
    """A config of a user's own, which has no other field."""


def test_a_derived_class_is_refused_before_it_is_stored(tmp_path: Path) -> None:
    config_dict.check_storable(TrainConfig())
    for config, said in (
        (OwnConfig(), "the config is a OwnConfig, which a checkpoint cannot store: make it a TrainConfig, by"),
        (TrainConfig(loss=OwnLoss()), "the config's loss is a OwnLoss, .* make it a LossConfig, by"),
    ):
        with pytest.raises(UserError, match=said):
            loop.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    typed = TrainConfig(
        data=DataConfig(dir="photos", train_A="~/a", test_B="/data/b"), init_from="runs/x", eval_features="w.pth"
    )
    stored = config_paths.absolute(typed)
    assert stored.data == DataConfig(dir=f"{tmp_path}/photos", train_A="/home/me/a", test_B="/data/b")
    assert (stored.init_from, stored.eval_features) == (f"{tmp_path}/runs/x", f"{tmp_path}/w.pth")
    for same in (TrainConfig(eval_features="inception"), TrainConfig(data=DataConfig(dir="gs://bucket/data")), stored):
        assert config_paths.absolute(same) == same
    with pytest.raises(UserError, match=r"--data\.dir"):
        config_paths.absolute(TrainConfig(data=DataConfig(dir="~nobody-of-this-name/photos")))


def test_a_saved_config_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'run')!r}).touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    named = {"eval_features": "trap:run", "init_from": "trap:run", "data": {"dir": "trap:run", "train_A": "trap"}}
    assert config_dict.from_dict(named).eval_features == "trap:run"
    for hostile in (
        {"__class__": "trap:run"},
        {"data": {"__init__": "trap:run"}},
        {"py/object": "trap.run"},
        {"generator": {"__reduce__": ["trap", "run"]}},
    ):
        with pytest.raises(UserError, match="the config has an unknown field"):
            config_dict.from_dict(hostile)
    assert not (tmp_path / "run").exists()
    importlib.import_module("trap")
    assert (tmp_path / "run").exists(), "the trap would not show anything"
