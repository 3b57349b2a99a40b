"""The paths in a config made absolute, so that a run finds its data from any folder, and from a notebook."""

import dataclasses
from pathlib import Path
from typing import Any, Final

from cyclegan_jax import files
from cyclegan_jax.config import TrainConfig

_DATA_FIELDS: Final = ("dir", "train_A", "train_B", "test_A", "test_B")


def absolute(config: TrainConfig) -> TrainConfig:
    """Return the config with its relative paths taken from the current folder, and `~` replaced by the home folder.

    Raises:
        UnreadableError: a path starts with the home folder of a user who does not exist.
    """
    data: dict[str, Any] = {name: _absolute(getattr(config.data, name), f"--data.{name}") for name in _DATA_FIELDS}
    features = config.eval_features
    if features is not None and features.endswith(".pth"):  # otherwise a name, or module:function
        features = _absolute(features, "--eval_features")
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, **data),
        init_from=_absolute(config.init_from, "--init_from"),
        eval_features=features,
    )


def _absolute(path: str | None, flag: str) -> str | None:
    if path is None or "://" in path:  # a store such as gs://
        return path
    with files.naming(flag):
        # Not resolved: a link may be meant to point elsewhere later.
        return str(Path.cwd() / files.expand(path))
