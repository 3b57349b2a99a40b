"""Runs over several processes: how they connect, exchange small values, and wait for each other.

Every process runs the same loop on its part of each batch. All of them take part in saving and restoring checkpoints,
for which Orbax needs a folder that all can reach. Only process 0 writes sample images, TensorBoard files and log lines.

JAX is imported inside the functions: the entry points set JAX's flags after they have imported this module.
"""

import contextlib
import functools
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np

from cyclegan_jax.devices.supervision import PeerLostError, first_line
from cyclegan_jax.errors import UserError

HEARTBEAT_SECONDS: Final = 30
"""After this long without a heartbeat, JAX considers a process dead and ends the others."""
CONNECT_SECONDS: Final = 300
"""How long a process waits for the others when it starts."""
RESOLVE_SECONDS: Final = 15
"""How long a process tries to find the address that belongs to the coordinator's name."""
LINGER_SECONDS: Final = 2
"""How long process 0, which hosts the coordinator, stays after a common mistake so that the others can report it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """How the processes of a run find each other. JAX reads a None from the cluster's environment.

    Attributes:
        coordinator: HOST:PORT at which process 0 listens.
        number: number of processes.
        index: index of this process, from 0.
    """

    coordinator: str | None = None
    number: int | None = None
    index: int | None = None

    def __post_init__(self) -> None:
        """Check the three fields together.

        Raises:
            UserError: only some of them are given, or one is out of range.
        """
        given = {"--coordinator": self.coordinator, "--num_processes": self.number, "--process_id": self.index}
        missing = [flag for flag, value in given.items() if value is None]
        if missing and len(missing) < len(given):
            raise UserError(
                f"{' and '.join(missing)} missing: give --coordinator, --num_processes and --process_id together, or "
                "only --distributed on SLURM, Open MPI, Cloud TPU or Kubernetes, whose environment holds them"
            )
        if self.coordinator is None or self.number is None or self.index is None:
            return
        if not re.fullmatch(r".+:\d+", self.coordinator):
            raise UserError(
                f"--coordinator is {self.coordinator!r}, but it must be HOST:PORT, the address at which process 0 "
                "listens"
            )
        if not 0 <= self.index < self.number:
            raise UserError(
                f"--process_id is {self.index}, but with --num_processes={self.number} it must be from 0 to "
                f"{self.number - 1}"
            )


def connect(processes: Processes) -> None:
    """Connect to the other processes; must be called before JAX's first use of a device.

    Raises:
        UserError: the environment does not describe a cluster, or the coordinator's name has no address.
        PeerLostError: the others did not connect within `CONNECT_SECONDS`.
    """
    import jax

    if processes.coordinator is not None:
        _check_address(processes.coordinator)
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
            f"the environment does not describe the other processes ({error}): give --coordinator=HOST:PORT, "
            "--num_processes and --process_id"
        ) from error
    except jax.errors.JaxRuntimeError as error:
        raise PeerLostError(first_line(error)) from error


def _check_address(coordinator: str) -> None:
    """Look up the coordinator's address: JAX would try for `CONNECT_SECONDS`, and then report a lost process.

    Raises:
        UserError: its name has no address within `RESOLVE_SECONDS`.
    """
    host, _, port = coordinator.rpartition(":")
    reason = "the name service does not answer"
    found = threading.Event()

    def look_up() -> None:
        nonlocal reason
        while not found.is_set():
            try:
                socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
                found.set()
            except (OSError, UnicodeError, OverflowError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                time.sleep(1)

    # In a thread, since a name service that does not answer can block for minutes. Repeated, since on Kubernetes a
    # process can start before the name of another one is known.
    threading.Thread(target=look_up, daemon=True).start()
    if not found.wait(RESOLVE_SECONDS):
        raise UserError(
            f"--coordinator is {coordinator!r}, but {host} has no address ({reason}): give the HOST:PORT of process 0"
        )


def is_first() -> bool:
    """Return whether this is process 0, the only one that writes files and logs."""
    import jax

    return jax.process_index() == 0


def wait_for_all(what: str) -> None:
    """Wait until every process has reached the point named `what`; with one process, return immediately."""
    import jax

    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(what)


@contextlib.contextmanager
def failing_together(next_meeting: str) -> Iterator[None]:
    """Let every process report a mistake that all of them find in this block.

    The end of one process ends all others at once. Without this, a slower process would report a lost process instead
    of the mistake.

    Args:
        next_meeting: the name of the `wait_for_all` that follows the block. A process that finds no mistake waits
            there, so the failing ones wait there as well.
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
    """Call `do` in process 0, and in the others when it is done there.

    For work that leaves files behind, such as preparing data: the other processes then find the files.
    """
    if is_first():
        result = do()
        wait_for_all(what)
        return result
    wait_for_all(what)
    return do()


def from_first(value: Any, size: int = 4096) -> Any:
    """Return process 0's `value`, a JSON value of up to `size` bytes, in every process."""
    import jax

    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    # Arrays must have the same shape everywhere: the text is padded with spaces, which JSON ignores.
    text = np.frombuffer(json.dumps(value).encode().ljust(size), np.uint8)
    return json.loads(np.asarray(multihost_utils.broadcast_one_to_all(text), np.uint8).tobytes())


def own_copy(tree: T) -> T:
    """Return this process's copy of a pytree of replicated arrays, on one of its own devices.

    Process 0 alone draws samples and evaluates; a program on global arrays would need all processes to run it.
    """
    import jax

    if jax.process_count() == 1:
        return tree
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


class DelayedMax:
    """The maximum over all processes of a number, such as a signal's, that each passes once per step.

    All processes must stop after the same step, whichever of them received the signal. The maximum arrives one call
    late, so that no process waits for it: it is communicated while the devices work on the next step.
    """

    def __init__(self) -> None:
        """Start without a number."""
        self._previous: Any = None

    def update(self, own: int) -> int:
        """Pass this process's number, and return the maximum of those passed at the call before (0 at the first).

        With one process it returns `own`. All processes must call it equally often.
        """
        import jax

        if jax.process_count() == 1:
            return own
        from cyclegan_jax.devices.mesh import split

        mesh, maximum = _compiled_max()
        by_device = np.full(jax.local_device_count(), own, np.int32)
        previous, self._previous = (
            self._previous,
            maximum(jax.make_array_from_process_local_data(split(mesh), by_device)),
        )
        return 0 if previous is None else int(previous)


@functools.cache
def _compiled_max() -> tuple[Any, Callable[[Any], Any]]:
    import jax
    import jax.numpy as jnp

    from cyclegan_jax.devices.mesh import make_mesh, replicated

    mesh = make_mesh()
    return mesh, jax.jit(jnp.max, out_shardings=replicated(mesh))
