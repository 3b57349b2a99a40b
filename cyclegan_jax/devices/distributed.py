"""A run over several processes: how they find each other, what the first alone does, and their common end.

Every process runs the same loop on its part of each batch. All take part in saving and restoring checkpoints, for
which Orbax needs a folder that all can reach; process 0 alone writes pictures and logs, and speaks. When one process
ends, the others cannot go on: JAX ends them, at once or after the heartbeat's timeout, in the middle of whatever they
do and with a stack trace. So the training runs in a child process, and its parent says in a sentence what happened.
"""

import contextlib
import functools
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from cyclegan_jax.errors import UserError

HEARTBEAT_SECONDS: Final = 30
"""After so long without a sign of life a process is taken for dead, and the others end."""
CONNECT_SECONDS: Final = 300
"""How long a process waits for the others when it starts."""
LINGER_SECONDS: Final = 2
"""How long process 0, with which the others' connection goes, lets them say the mistake that all have found."""
PEER_LOST: Final = 75
"""The exit status of a process that ends since another did: temporary, as `sysexits.h` has it."""

T = TypeVar("T")


class PeerLostError(UserError):
    """Another process of the run has ended, or can no longer be reached."""

    def __init__(self, reason: str):
        """Since `reason`."""
        super().__init__(
            f"another process of this run has ended or cannot be reached ({reason}): start all of them again by the "
            "same commands, and the run goes on from its last checkpoint"
        )


@dataclass(frozen=True)
class Processes:
    """How the processes of a run find each other; what is None, the cluster's environment tells.

    Attributes:
        coordinator: HOST:PORT at which process 0 listens.
        number: of processes.
        index: of this one, from 0.
    """

    coordinator: str | None = None
    number: int | None = None
    index: int | None = None

    def __post_init__(self) -> None:
        """Check the three together."""
        given = {"--coordinator": self.coordinator, "--num_processes": self.number, "--process_id": self.index}
        missing = [flag for flag, value in given.items() if value is None]
        if missing and len(missing) < len(given):
            raise UserError(
                f"{', '.join(missing)} is missing: give --coordinator, --num_processes and --process_id together, or "
                "--distributed alone where the cluster tells (SLURM, Open MPI, Cloud TPU, Kubernetes)"
            )
        if self.coordinator is None or self.number is None or self.index is None:
            return
        if not re.fullmatch(r".+:\d+", self.coordinator):
            raise UserError(
                f"--coordinator is {self.coordinator!r}, but it must be HOST:PORT: where process 0 can be reached"
            )
        if not 0 <= self.index < self.number:
            raise UserError(
                f"--process_id is {self.index}, but with --num_processes={self.number} it must be from 0 to "
                f"{self.number - 1}"
            )


def connect(processes: Processes) -> None:
    """Wait for the other processes; before JAX's first use of a device.

    Raises:
        UserError: the environment tells of no cluster, or the others do not come.
    """
    import jax

    try:
        jax.distributed.initialize(
            processes.coordinator,
            processes.number,
            processes.index,
            initialization_timeout=CONNECT_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except ValueError as error:
        raise UserError(
            f"the environment does not tell of the other processes ({error}): give --coordinator=HOST:PORT, "
            "--num_processes and --process_id"
        ) from error
    except jax.errors.JaxRuntimeError as error:
        raise PeerLostError(_first_line(error)) from error


def is_first() -> bool:
    """Whether this is process 0, which writes and speaks for all."""
    import jax

    return jax.process_index() == 0


def wait_for_all(what: str) -> None:
    """Return when every process has come to the same point; at once where there is but one."""
    import jax

    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(what)


@contextlib.contextmanager
def said_by_all(next_meeting: str) -> Iterator[None]:
    """A check that all processes make alike: where it refuses, none ends before the others have come as far.

    The end of one is the end of all, at once: a slower one would tell of a lost process in place of the mistake.

    Args:
        next_meeting: what the processes next wait for, should one of them have nothing to refuse.
    """
    import jax

    try:
        yield
    except UserError:
        if jax.process_count() > 1:
            wait_for_all(next_meeting)
            if is_first():
                time.sleep(LINGER_SECONDS)
        raise


def first_process_first(what: str, do: Callable[[], T]) -> T:
    """Let process 0 do what leaves files behind, such as preparing data, before the others find these."""
    if is_first():
        result = do()
        wait_for_all(what)
        return result
    wait_for_all(what)
    return do()


def from_first(value: Any, size: int = 4096) -> Any:
    """The JSON value that process 0 holds, for all; its text has up to `size` bytes."""
    import jax

    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    text = np.frombuffer(json.dumps(value).encode().ljust(size), np.uint8)
    return json.loads(np.asarray(multihost_utils.broadcast_one_to_all(text), np.uint8).tobytes())


def own_copy(tree: T) -> T:
    """This process's copy of replicated arrays, on one of its own devices."""
    import jax

    if jax.process_count() == 1:
        return tree
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


class Agreement:
    """A number of which the processes know the largest that any has given, all after the same step."""

    def __init__(self) -> None:
        """Nothing has been given yet."""
        self._before: Any = None

    def largest(self, mine: int) -> int:
        """The largest number that any process gave the time before; with one process the number itself.

        All processes must call it equally often. Nobody waits for it: it travels while the next step is made.
        """
        import jax

        if jax.process_count() == 1:
            return mine
        mesh, largest = _largest()
        from cyclegan_jax.devices.sharding import split

        own = np.full(jax.local_device_count(), mine, np.int32)
        before, self._before = self._before, largest(jax.make_array_from_process_local_data(split(mesh), own))
        return 0 if before is None else int(before)


@functools.cache
def _largest() -> tuple[Any, Callable[[Any], Any]]:
    import jax
    import jax.numpy as jnp

    from cyclegan_jax.devices.sharding import make_mesh, replicated

    mesh = make_mesh()
    return mesh, jax.jit(jnp.max, out_shardings=replicated(mesh))


def naming_lost_peers(run: Callable[[], T]) -> T:
    """Run a training; an error of the communication with the other processes becomes a sentence.

    Raises:
        PeerLostError: such an error.
    """
    import jax

    try:
        return run()
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise PeerLostError(_first_line(error)) from error


def supervised(run: Callable[[], int]) -> int:
    """The exit status of `run` in a child process, which ends with this one; says so where JAX or the system ended it.

    To be called before anything starts threads. SIGTERM is passed on; Ctrl-C reaches the child by itself.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        threading.Thread(target=_end_with_parent, args=(reading,), daemon=True).start()
        status = 1
        try:
            status = run()
        except Exception:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        # After a failure the others must hear of it now, not when JAX has waited for them in vain.
        if status:
            os._exit(status)
        sys.exit(status)
    os.close(reading)
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    os.close(writing)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGABRT:
        print(f"error: {PeerLostError('JAX says more above')}", file=sys.stderr, flush=True)
        return PEER_LOST
    if code < 0:
        name = signal.Signals(-code).name
        print(f"error: this process was ended by {name}; the system may tell why", file=sys.stderr, flush=True)
        return 128 - code
    return code


def _end_with_parent(reading: int) -> None:
    """Nobody writes: the read returns when the parent is gone, however it went."""
    os.read(reading, 1)
    os._exit(PEER_LOST)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
