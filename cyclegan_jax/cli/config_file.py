"""Loading an experiment from a config file such as `configs/streets.py`."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError


def load_config_file(path: Path) -> TrainConfig:
    """Run a Python file, and return the result of its `get_config()`.

    Raises:
        UserError: the file does not exist, raises an error, or does not return a `TrainConfig`.
    """
    module = _run_file(path)
    try:
        config = module.get_config()
    except UserError as error:
        raise UserError(f"the config file {path} is not valid: {error}") from error
    except Exception as error:
        if not hasattr(module, "get_config"):
            raise UserError(f"the config file {path} has no function get_config()") from error
        raise UserError(f"get_config() of the config file {path} raises {type(error).__name__}: {error}") from error
    if not isinstance(config, TrainConfig):
        raise UserError(
            f"get_config() of the config file {path} returns an object of type {type(config).__name__}, but it must "
            "return a TrainConfig"
        )
    return config


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"there is no config file {path}: choose one such as configs/streets.py")
    spec = importlib.util.spec_from_file_location(f"cyclegan_jax_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"the config file {path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and tyro look up a class's module here to resolve its annotations.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except UserError as error:
        raise UserError(f"the config file {path} is not valid: {error}") from error
    except Exception as error:
        raise UserError(f"the config file {path} raises {type(error).__name__}: {error}") from error
    return module
