"""The entry points: `main` for the command `cyclegan-jax`, and `train` for `train.py`.

JAX and tyro are imported only by the commands that need them, so `--help`, `--version` and `configs` answer at once.
"""

import contextlib
import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Final

import cyclegan_jax
from cyclegan_jax import console
from cyclegan_jax.cli.exit_status import INTERRUPTED, MISTAKE, PEER_LOST
from cyclegan_jax.cli.flags import as_word
from cyclegan_jax.devices.supervision import PeerLostError
from cyclegan_jax.errors import UserError
from cyclegan_jax.training.interruption import StoppedError, exit_status

COMMANDS: Final = {
    "train": "train a CycleGAN, or resume its training",
    "translate": "translate image files with a trained generator",
    "import": "make a run of networks that another program trained",
    "export": "write one generator as a file or folder of its own",
    "evaluate": "score the checkpoints of a run on its test images",
    "compare": "compare the settings, scores and losses of several runs",
    "checkpoints": "list the checkpoints of a run, and verify them",
    "verify": "make the steps between two checkpoints again, and compare bit for bit",
    "configs": "list the experiments that the package contains, or copy one to edit it",
    "convert-command": "print what a command of pytorch-CycleGAN-and-pix2pix is here",
}
"""Each command, and what it does."""

HELP: Final = f"""usage: cyclegan-jax COMMAND [flags]

CycleGAN in JAX: unpaired image-to-image translation.

commands:
{chr(10).join(f"  {name:15}  {line}" for name, line in COMMANDS.items())}

options:
  -h, --help   show this text; after a command, show the command's flags
  --version    show the version

To begin, train on street scenes that the package draws: cyclegan-jax train --config streets"""


def train(args: Sequence[str], prog: str = "train.py") -> int:
    """Run the training command, called `prog` in its help, with `args`, and return the exit status."""
    from cyclegan_jax.cli import train as train_command

    console.accept_all_characters()
    return _run(lambda: train_command.run(args, _run, prog))


def main(args: Sequence[str] | None = None) -> int:
    """Run `cyclegan-jax` with `args`, by default those of the process, and return the exit status."""
    console.accept_all_characters()
    arguments = sys.argv[1:] if args is None else args
    if not arguments:
        print(HELP, file=sys.stderr)
        return MISTAKE
    command, rest = arguments[0], arguments[1:]
    if command in ("-h", "--help"):
        print(HELP)
        return 0
    if command == "--version":
        print(f"cyclegan-jax {cyclegan_jax.__version__}")
        return 0
    if command not in COMMANDS:
        print(f"error: there is no command {as_word(command)}: choose one of {', '.join(COMMANDS)}", file=sys.stderr)
        return MISTAKE
    if command == "train":
        return train(rest, "cyclegan-jax train")
    if command == "configs":
        from cyclegan_jax.cli.configs import configs

        return _with_exit_status(lambda: configs(rest))
    if command == "convert-command":
        from cyclegan_jax.cli.convert_command import convert_command

        return _with_exit_status(lambda: convert_command(rest))
    if command == "compare":
        from cyclegan_jax.cli.compare import compare

        return _with_exit_status(lambda: compare(rest))
    if command == "import":
        from cyclegan_jax.cli.import_weights import import_weights

        return _run(lambda: import_weights(rest))
    return _run(lambda: _call(command, rest))


def _call(command: str, args: Sequence[str]) -> int | None:
    """Call the function of a command, whose parameters are its flags; its module has the same name."""
    from cyclegan_jax.cli import official_flags
    from cyclegan_jax.cli.flags import parse_call

    function: Callable[..., int | None] = getattr(import_module(f"cyclegan_jax.cli.{command}"), command)
    official_flags.check_testing(args, frozenset(f"--{name}" for name in inspect.signature(function).parameters))
    with ended_in_order():
        return function(**parse_call(function, args, prog=f"cyclegan-jax {command}"))


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """Let SIGTERM, by which schedulers end a process, remove what is half written, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(command: Callable[[], int | None]) -> int:
    """Call `command`, which uses JAX, and return the exit status."""
    from cyclegan_jax.checkpoints import quiet
    from cyclegan_jax.devices import backend, damaged_programs

    backend.set_xla_flags()
    backend.enable_compilation_cache()
    with quiet.orbax(), damaged_programs.replaced():
        return _with_exit_status(command)


def _with_exit_status(command: Callable[[], int | None]) -> int:
    """Call `command`, and return the exit status; a user's mistake is printed as one line without a traceback."""
    try:
        return command() or 0
    except UserError as error:
        print(f"error: {console.one_line(str(error))}", file=sys.stderr)
        return PEER_LOST if isinstance(error, PeerLostError) else MISTAKE
    except StoppedError as stopped:
        print(f"{stopped}; the same command resumes the run from there", file=sys.stderr)
        return exit_status(stopped.signal_number)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
