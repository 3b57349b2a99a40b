"""The memory that a training step needs, compared with what the machine has before the first step runs."""

import logging
from pathlib import Path
from typing import Any

import jax
import psutil

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""File in which a Linux container finds its memory limit in bytes, or the word `max`."""


def step_bytes(executable: jax.stages.Compiled) -> int | None:
    """Return the bytes one device needs to run a program: arguments, results and temporary buffers, as XLA plans them.

    Returns None where the backend has no such analysis.
    """
    analysis: Any = executable.memory_analysis()
    if analysis is None:
        return None
    # Donated arguments and the results that reuse their memory ("alias") are in both sizes, but in memory once.
    held = analysis.argument_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return int(held + analysis.temp_size_in_bytes)


def device_bytes(device: jax.Device) -> int | None:
    """Return the memory of a device in bytes, or None where the device does not report it.

    All CPU devices of a process share one memory: that of the machine or, if less, of its container.
    """
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    total = psutil.virtual_memory().total
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # not in a container, or one without a limit
        return int(total)


def check(needed: int | None, config: TrainConfig) -> None:
    """Log the memory that a training step needs; fail if the devices of this process have less.

    Args:
        needed: bytes per device, the `step_bytes` of the compiled training step; None skips the check.
        config: the experiment, for the advice in the message.

    Raises:
        UserError: the step needs more memory than there is.
    """
    devices = jax.local_devices()
    available = device_bytes(devices[0])
    if needed is None or available is None:
        return
    if devices[0].platform == "cpu":
        needed *= len(devices)
    gib = f"{needed / 2**30:.1f} GiB"
    where = "this machine" if devices[0].platform == "cpu" else "each device"
    if needed > available:
        raise UserError(
            f"a training step needs {gib} of memory, but {where} has {available / 2**30:.1f} GiB: "
            f"{'' if config.remat else 'train with --remat=True, or '}lower --batch_size, --data.image_size or "
            "--generator.width"
        )
    _LOG.info(f"a training step needs {gib} of memory; {where} has {available / 2**30:.1f} GiB")
