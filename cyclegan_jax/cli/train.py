"""`cyclegan-jax train` and `train.py`: parse the flags, and train, in one process or as one of several."""

import contextlib
import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cyclegan_jax
from cyclegan_jax import live
from cyclegan_jax.cli import flags, official_flags
from cyclegan_jax.cli.config_file import load_config_file
from cyclegan_jax.cli.run_name import run_name
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.console import shown_log
from cyclegan_jax.devices import distributed, supervision
from cyclegan_jax.devices.distributed import Processes
from cyclegan_jax.errors import UserError
from cyclegan_jax.training.interruption import Interruption

_LOG = logging.getLogger(__name__)

DESCRIPTION = """Train a CycleGAN, or resume its training.

--config NAME    the experiment: a config of the package, such as streets (cyclegan-jax configs lists them), or a
                 file, such as configs/streets.py or ./mine.py, or RUN/config.json. Its values are the defaults below.
--workdir DIR    folder for checkpoints, samples and logs. Default: runs/NAME for NAME or NAME.py; where flags make
                 another experiment of it, the name has them too, as in runs/NAME-seed=1.
                 If it holds a run, the training resumes from the newest checkpoint.
--allow_changes  resume although losses, optimizer or the like are not those that the run was started with.

To train with several processes, start this command in each of them with
--coordinator HOST:PORT --num_processes N --process_id I    the address where process 0 listens; I is 0 to N-1
--distributed                                               instead, on SLURM, Open MPI, Cloud TPU or Kubernetes"""


@dataclass(frozen=True)
class TrainCommand:
    """A parsed command line.

    Attributes:
        config: the experiment.
        workdir: the run's folder.
        allow_changes: resume even if losses, optimizer or the like have changed.
        processes: how to find the other processes of the run; None for a single process.
        words: the command line itself.
    """

    config: TrainConfig
    workdir: Path
    allow_changes: bool
    processes: Processes | None
    words: str


def run(args: Sequence[str], run_command: Callable[[Callable[[], int]], int], prog: str = "train.py") -> int:
    """Train as `args` say, and return the exit status.

    Args:
        args: the arguments after the program's name.
        run_command: calls a function and turns its errors into messages and exit statuses. A run of several processes
            trains in a child process, which needs this for itself.
        prog: the program's name, for its help.

    Raises:
        UserError: as `parse` and `cyclegan_jax.training.loop.train`.
        StoppedError: a signal stopped the run.
    """
    command = parse(args, prog)
    if command.processes is None:
        return _train(command)
    return supervision.supervised(lambda: run_command(lambda: _train(command)))


def _train(command: TrainCommand) -> int:
    is_first = True  # to ask would start JAX, which takes seconds before the first line
    if command.processes is not None:
        distributed.connect(command.processes)
        is_first = distributed.is_first()
    # Only process 0 prints the log: the others would print the same lines.
    with _shown() if is_first else contextlib.nullcontext():
        _LOG.info(f"cyclegan-jax {cyclegan_jax.__version__}: training in {command.workdir}; Ctrl-C saves and stops")
        with live.showing("starting JAX"):
            # Must not happen before main.py has set JAX's flags, nor before a supervisor has forked.
            from cyclegan_jax.training import loop
        supervision.raising_peer_lost(
            lambda: loop.train(
                command.config,
                command.workdir,
                interruption=Interruption(ends_process=True),
                allow_changes=command.allow_changes,
                command=command.words,
            )
        )
    return 0


@contextlib.contextmanager
def _shown() -> Iterator[None]:
    with live.drawn(), shown_log():
        yield


def parse(args: Sequence[str], prog: str = "train.py") -> TrainCommand:
    """Parse the command line of `train.py` or `cyclegan-jax train`.

    Args:
        args: the arguments after the program's name.
        prog: the program's name, for its help.

    Raises:
        UserError: the config file is missing or not valid, a flag is unknown, one of the official PyTorch code's, or
            has a value that it cannot have, or the flags for several processes contradict each other.
        SystemExit: `--help` was given.
    """
    # tyro makes a flag of every field of the config, but the config file that holds their defaults must be known first.
    parser = flags.Parser(prog, add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--allow_changes", action="store_true")
    parser.add_argument("--distributed", action="store_true")
    parser.add_argument("--coordinator")
    parser.add_argument("--num_processes", type=int)
    parser.add_argument("--process_id", type=int)
    known, rest = parser.parse_known_args(args)
    official_flags.check_training(rest)
    wants_help = "--help" in rest or "-h" in rest
    if known.config is None and not wants_help:
        raise UserError(
            "--config is missing: give an experiment by name, such as --config streets (cyclegan-jax configs lists the "
            "names), or by its file, such as --config configs/streets.py"
        )
    default = TrainConfig() if known.config is None else load_config_file(known.config)
    config = flags.parse_config(default, rest, prog=prog, description=DESCRIPTION)
    process_flags = (known.coordinator, known.num_processes, known.process_id)
    several = known.distributed or any(flag is not None for flag in process_flags)
    workdir = known.workdir or Path("runs") / run_name(known.config.stem, default, config)
    return TrainCommand(
        config,
        workdir,
        known.allow_changes,
        Processes(*process_flags) if several else None,
        f"{prog} {shlex.join(args)}",
    )
