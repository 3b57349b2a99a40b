"""The config files: each loads, and those of the paper's sets hold the paper's settings."""

from pathlib import Path

import pytest

from cyclegan_jax.cli.config_file import load_config_file
from cyclegan_jax.networks import cyclegan

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
SETS = (
    "apple2orange", "cezanne2photo", "facades", "horse2zebra", "iphone2dslr_flower", "maps", "monet2photo",
    "summer2winter_yosemite", "ukiyoe2photo", "vangogh2photo",
)  # fmt: skip


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_file_defines_networks(path):
    cyclegan.define(load_config_file(path))


def test_every_set_of_the_paper_has_a_file():
    from cyclegan_jax.data.sets.paper_sets import NAMES

    assert sorted(NAMES) == sorted(SETS)
    assert set(SETS) <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("name", SETS)
def test_the_papers_settings(name):
    config = load_config_file(CONFIGS[0].with_stem(name))
    data, loss, optimizer = config.data, config.loss, config.optimizer
    assert (data.source, data.name, data.labels) == ("tfds", name, None)
    assert (data.image_size, data.resolved_load_size, config.batch_size) == (256, 286, 1)
    assert (config.generator.blocks, config.generator.width, config.discriminator.n_layers) == (9, 64, 3)
    assert (loss.cycle_weight_A, loss.cycle_weight_B, loss.identity) == (10, 10, "target")
    # 0.5 of the cycle weight for Monet's paintings and for flowers (appendix 7.2).
    assert loss.identity_weight == (0.5 if name in ("monet2photo", "iphone2dslr_flower") else 0)
    assert (optimizer.learning_rate, optimizer.beta1) == (2e-4, 0.5)
    assert (optimizer.constant_epochs, optimizer.decay_epochs, config.pool_size) == (100, 100, 50)
