"""The package's public names: light to import, and with their own types for type checkers."""

import subprocess
import sys
from pathlib import Path
from typing import assert_type

import pytest

import cyclegan_jax
from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints.opened import Checkpoint
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.inference.discriminator import Discriminator
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.training import loop
from tests.conftest import tiny_config


def test_importing_the_package_imports_no_jax() -> None:
    program = "import sys, cyclegan_jax; cyclegan_jax.show_log; print({'jax', 'numpy', 'flax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_public_names_have_the_types_of_their_functions(tmp_path: Path) -> None:
    """mypy checks `assert_type`: it fails where a name is `Any`, which it was through `__getattr__` alone."""
    config = tiny_config()
    with CheckpointWriter(tmp_path, config) as writer:
        writer.save(state.create(config, optimizer.adam(config.optimizer)), {"pairs": 0})
    checkpoint = assert_type(cyclegan_jax.open_checkpoint(tmp_path), Checkpoint)
    generator = assert_type(cyclegan_jax.load_generator(tmp_path), Generator)
    discriminator = assert_type(cyclegan_jax.load_discriminator(tmp_path, "A"), Discriminator)
    assert isinstance(checkpoint, Checkpoint)
    assert isinstance(generator, Generator)
    assert isinstance(discriminator, Discriminator)


def test_every_public_name_is_found() -> None:
    for name in cyclegan_jax.__all__:
        assert callable(getattr(cyclegan_jax, name))
        assert name in dir(cyclegan_jax)
    assert cyclegan_jax.train is loop.train
    with pytest.raises(AttributeError, match="has no attribute 'load_generators'"):
        getattr(cyclegan_jax, "load_generators")  # noqa: B009
