"""The command line of `train.py`: a config file, and any field of it changed by a flag."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError

DESCRIPTION = """Train a CycleGAN.

--config FILE    the experiment, such as configs/streets.py; its values are the defaults below
--workdir DIR    where checkpoints, pictures and logs go; default runs/NAME for configs/NAME.py.
                 The same command again continues the run."""


def parse_train(args: Sequence[str]) -> tuple[TrainConfig, Path]:
    """The experiment and its work directory.

    Args:
        args: the arguments after the program's name.

    Raises:
        UserError: the config file is missing or broken.
        SystemExit: help was asked for, or a flag is unknown or has a value that its field does not take.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--workdir", type=Path)
    known, rest = parser.parse_known_args(args)
    wants_help = "--help" in rest or "-h" in rest
    if known.config is None and not wants_help:
        raise UserError("no experiment was named: give one by --config, such as --config configs/streets.py")
    default = TrainConfig() if known.config is None else load_config_file(known.config)
    config = tyro.cli(
        TrainConfig,
        default=default,
        args=rest,
        prog="train.py",
        description=DESCRIPTION,
        config=(tyro.conf.FlagConversionOff,),
    )
    return config, known.workdir or Path("runs") / known.config.stem


def load_config_file(path: Path) -> TrainConfig:
    """What the `get_config()` of a config file returns.

    Raises:
        UserError: there is no such file, or it does not run, or it does not return a `TrainConfig`.
    """
    if not path.is_file():
        raise UserError(f"there is no config file {path}: name one such as configs/streets.py")
    spec = importlib.util.spec_from_file_location(f"cyclegan_jax_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"the config file {path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and tyro look the module of a class up here.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        get_config = module.get_config
    except AttributeError as error:
        raise UserError(f"the config file {path} has no function get_config() ({error})") from error
    except UserError as error:
        raise UserError(f"the config file {path} is refused: {error}") from error
    except Exception as error:
        raise UserError(f"the config file {path} does not run: {type(error).__name__}: {error}") from error
    try:
        config = get_config()
    except UserError as error:
        raise UserError(f"the config file {path} is refused: {error}") from error
    except Exception as error:
        raise UserError(f"get_config() of {path} does not run: {type(error).__name__}: {error}") from error
    if not isinstance(config, TrainConfig):
        raise UserError(f"get_config() of {path} returns a {type(config).__name__}, but it must return a TrainConfig")
    return config
