"""Whether a training step fits into memory, said before the first one and not by the machine in the middle of it."""

import logging
from pathlib import Path
from typing import Any

import jax
import psutil

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where a container on Linux says how much memory it has."""


def step_bytes(compiled: jax.stages.Compiled) -> int | None:
    """What XLA plans for one run of a program on one device: its arguments, results and everything between.

    None where the backend does not tell.
    """
    analysis: Any = compiled.memory_analysis()
    if analysis is None:
        return None
    held = analysis.argument_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return int(held + analysis.temp_size_in_bytes)


def device_bytes(device: jax.Device) -> int | None:
    """The memory of a device, which those on one CPU share; None where it does not tell."""
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    total = psutil.virtual_memory().total
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # not in a container; or the word "max"
        return int(total)


def check(needed: int | None, config: TrainConfig) -> None:
    """Say what a step takes of the devices of this process, and refuse what they do not have.

    Args:
        needed: `step_bytes` of the compiled training step.
        config: the experiment.

    Raises:
        UserError: it is more than there is.
    """
    devices = jax.local_devices()
    there = device_bytes(devices[0])
    if needed is None or there is None:
        return
    if devices[0].platform == "cpu":
        needed *= len(devices)
    gib = f"{needed / 2**30:.1f} GiB"
    where = "this machine" if devices[0].platform == "cpu" else "a device"
    if needed > there:
        raise UserError(
            f"a training step needs {gib} of memory, but {where} has {there / 2**30:.1f} GiB: "
            f"{'' if config.remat else 'train with --remat=True, or '}lower --batch_size, --data.image_size or "
            "--generator.width"
        )
    _LOG.info(f"a step takes {gib} of the {there / 2**30:.1f} GiB of memory that {where} has")
