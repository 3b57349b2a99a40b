"""The paths in a config made absolute, so that a run finds its data from any folder, and from a notebook."""

import dataclasses
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, Final

from cyclegan_jax import files
from cyclegan_jax.config import TrainConfig

_DATA_FIELDS: Final = ("dir", "train_A", "train_B", "test_A", "test_B")


def absolute(config: TrainConfig) -> TrainConfig:
    """Return the config with its relative paths taken from the current folder, and `~` replaced by the home folder.

    Raises:
        UnreadableError: a path starts with the home folder of a user who does not exist.
    """
    return _changed(config, _absolute)


def names_only(config: TrainConfig) -> TrainConfig:
    """Return the config with the last part of each path alone, for a model that leaves its machine."""
    return _changed(config, lambda path, _: path and PurePath(path).name)


def _changed(config: TrainConfig, change: Callable[[str | None, str], str | None]) -> TrainConfig:
    """Return the config with `change(path, flag)` for each path in it."""
    data: dict[str, Any] = {name: change(getattr(config.data, name), f"--data.{name}") for name in _DATA_FIELDS}
    features = config.eval_features
    if features is not None and features.endswith(".pth"):  # otherwise a name, or module:function
        features = change(features, "--eval_features")
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, **data),
        init_from=change(config.init_from, "--init_from"),
        eval_features=features,
    )


def _absolute(path: str | None, flag: str) -> str | None:
    if path is None or "://" in path:  # a store such as gs://
        return path
    with files.naming(flag):
        # Not resolved: a link may be meant to point elsewhere later.
        return str(Path.cwd() / files.expand(path))
