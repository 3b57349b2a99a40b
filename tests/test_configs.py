"""The config files: every one loads, and those of the published experiments have the published settings."""

from pathlib import Path
from typing import Any

import pytest

from cyclegan_jax import recipes
from cyclegan_jax.cli.config_file import load_config_file
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data.sets.paper_sets import NAMES
from cyclegan_jax.networks import cyclegan

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
SETS = (
    "apple2orange", "cezanne2photo", "facades", "horse2zebra", "iphone2dslr_flower", "maps", "monet2photo",
    "summer2winter_yosemite", "ukiyoe2photo", "vangogh2photo",
)  # fmt: skip


def load(name: str) -> TrainConfig:
    return load_config_file(CONFIGS[0].with_stem(name))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_file_defines_networks(path: Path) -> None:
    cyclegan.define(load_config_file(path))


def test_every_set_of_the_paper_has_a_file() -> None:
    assert sorted(NAMES) == sorted(SETS)
    assert set(SETS) <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("name", SETS)
def test_settings_of_the_papers_sets(name: str) -> None:
    config = load(name)
    data, loss, optimizer = config.data, config.loss, config.optimizer
    assert (data.source, data.name, data.labels) == ("tfds", name, None)
    assert (data.image_size, data.resolved_load_size, config.batch_size) == (256, (286, 286), 1)
    assert (config.generator.blocks, config.generator.width, config.discriminator.n_layers) == (9, 64, 3)
    assert (loss.cycle_weight_A, loss.cycle_weight_B, loss.identity) == (10, 10, "target")
    # Half the cycle weight for Monet's paintings and for flowers (appendix 7.1).
    assert loss.identity_weight == (0.5 if name in ("monet2photo", "iphone2dslr_flower") else 0)
    assert (optimizer.learning_rate, optimizer.beta1) == (2e-4, 0.5)
    assert (optimizer.constant_epochs, optimizer.decay_epochs, config.pool_size) == (100, 100, 50)


@pytest.mark.parametrize("recipe", [recipes.pytorch_gan, recipes.simplified], ids=lambda recipe: recipe.__name__)
def test_recipes_have_a_file_for_own_images(recipe: Any) -> None:
    config = load(recipe.__name__)
    assert (config.data.source, config.data.image_size, config.data.resolved_load_size) == ("folder", 256, (286, 286))
    assert (config.loss, config.update_first, config.pool_size) == (
        recipe().loss,
        recipe().update_first,
        recipe().pool_size,
    )


def test_settings_of_pytorch_gan() -> None:
    config = load("pytorch_gan")
    loss = config.loss
    assert (config.update_first, config.pool_size, config.batch_size) == ("generators", 50, 1)
    assert (loss.cycle_weight_A, loss.cycle_weight_B, loss.identity_weight, loss.identity) == (10, 10, 0.5, "target")
    assert (loss.domains, loss.discriminator_domains) == ("mean", "sum")
    assert (config.generator.upsample, config.discriminator.kind) == ("resize", "pytorch_gan")
    assert (config.optimizer.schedule, config.optimizer.learning_rate) == ("pytorch_gan", 2e-4)
    assert (config.optimizer.constant_epochs, config.optimizer.decay_epochs) == (100, 100)
