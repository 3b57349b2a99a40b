"""The entry points: `train` for `train.py`, and `main` for the command `cyclegan-jax`."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence

import tyro

from cyclegan_jax.cli import train as train_command
from cyclegan_jax.cli.checkpoints import checkpoints
from cyclegan_jax.cli.evaluate import evaluate
from cyclegan_jax.cli.exit_status import INTERRUPTED, MISTAKE, PEER_LOST
from cyclegan_jax.cli.translate import translate
from cyclegan_jax.devices import backend
from cyclegan_jax.devices.supervision import PeerLostError
from cyclegan_jax.errors import UserError
from cyclegan_jax.training.interruption import StoppedError, exit_status


def train(args: Sequence[str]) -> int:
    """Run `train.py` with the arguments `args`, and return the exit status."""
    return _run(lambda: train_command.run(args, _run))


def main(args: Sequence[str] | None = None) -> int:
    """Run `cyclegan-jax` with `args`, by default those of the process, and return the exit status."""
    subcommands: dict[str, Callable[..., int | None]] = {
        "translate": translate,
        "evaluate": evaluate,
        "checkpoints": checkpoints,
    }
    return _run(lambda: tyro.extras.subcommand_cli_from_dict(subcommands, prog="cyclegan-jax", args=args))


def _run(command: Callable[[], int | None]) -> int:
    """Call `command`, and return the exit status; a user's mistake is printed as one line without a traceback."""
    backend.set_xla_flags()
    backend.enable_compilation_cache()
    with _quiet_orbax():
        try:
            return command() or 0
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return PEER_LOST if isinstance(error, PeerLostError) else MISTAKE
        except StoppedError as stopped:
            print(f"{stopped}; the same command resumes the run from there", file=sys.stderr)
            return exit_status(stopped.signal_number)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return INTERRUPTED


@contextlib.contextmanager
def _quiet_orbax() -> Iterator[None]:
    """Silence messages of Orbax and its event loop; the package itself reports what a user needs to know."""
    # Through absl, Orbax logs its timings as warnings, and the tracebacks of failures that the package catches.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    before = sys.unraisablehook

    def hook(error: "sys.UnraisableHookArgs") -> None:
        # When reading or writing one array fails, Orbax closes its event loop. TensorStore's callbacks for the other
        # arrays then fail, and their errors end up here.
        if str(error.exc_value) != "Event loop is closed":
            before(error)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
