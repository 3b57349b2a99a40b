"""The command line of `train.py`: a config file, and any field of it changed by a flag."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tyro

from cyclegan_jax.cli import official_flags
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices.distributed import Processes
from cyclegan_jax.errors import UserError

DESCRIPTION = """Train a CycleGAN.

--config FILE    the experiment, such as configs/streets.py; its values are the defaults below
--workdir DIR    where checkpoints, pictures and logs go; default runs/NAME for configs/NAME.py.
                 The same command again continues the run.

For a run over several processes, in each of them:
--coordinator HOST:PORT --num_processes N --process_id I    where process 0 listens, how many, which this is
--distributed                                               or: as SLURM, Open MPI, Cloud TPU or Kubernetes tell"""


class TrainCommand(NamedTuple):
    """What a command line asks for.

    Attributes:
        config: the experiment.
        workdir: its work directory.
        processes: how to find the other processes of the run; None where there is but one.
    """

    config: TrainConfig
    workdir: Path
    processes: Processes | None


def parse_train(args: Sequence[str]) -> TrainCommand:
    """The experiment, its work directory, and the processes that it runs on.

    Args:
        args: the arguments after the program's name.

    Raises:
        UserError: the config file is missing or broken, a flag is the official PyTorch code's, or the flags for several
            processes do not fit together.
        SystemExit: help was asked for, or a flag is unknown or has a value that its field does not take.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--distributed", action="store_true")
    parser.add_argument("--coordinator")
    parser.add_argument("--num_processes", type=int)
    parser.add_argument("--process_id", type=int)
    known, rest = parser.parse_known_args(args)
    official_flags.refuse(rest)
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
    flags = (known.coordinator, known.num_processes, known.process_id)
    several = known.distributed or any(flag is not None for flag in flags)
    workdir = known.workdir or Path("runs") / known.config.stem
    return TrainCommand(config, workdir, Processes(*flags) if several else None)


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
