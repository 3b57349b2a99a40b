"""The memory that a training needs, compared with what the machine has before anything is allocated."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import jax
import psutil

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices import cgroups
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

Parts = Mapping[tuple[str, ...], int]
"""Bytes of each part of a training, by the flags that decide its size."""

_SHARE: Final = 0.2
"""A part that needs less than this share of the memory is not worth advice."""


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


def host_bytes() -> int:
    """Return the memory of this machine in bytes, or the limit of its container or batch job if that is less."""
    total = int(psutil.virtual_memory().total)
    limit = cgroups.memory_limit()
    return total if limit is None else min(total, limit)


def device_bytes(device: jax.Device) -> int | None:
    """Return the memory of a device in bytes, or None where the device does not report it.

    All CPU devices of a process share one memory: that of the machine or, if less, of its container.
    """
    return host_bytes() if device.platform == "cpu" else (device.memory_stats() or {}).get("bytes_limit")


def check(needed: int | None, config: TrainConfig) -> None:
    """Log the memory that a training step needs; fail if the devices of this process have less.

    Args:
        needed: bytes per device, the `step_bytes` of the compiled training step; None skips the check.
        config: the experiment, for the advice in the message.

    Raises:
        UserError: the step needs more memory than there is.
    """
    advice = (
        f"{'' if config.remat else 'train with --remat=True, or '}lower --batch_size, --data.image_size or "
        "--generator.width"
    )
    compared = _compare("a training step", needed, advice)
    if compared is not None:
        _LOG.info(compared)


def check_first_state(needed: int | None) -> None:
    """Fail if the devices of this process have less memory than it takes to draw the first state.

    Args:
        needed: bytes per device, the `step_bytes` of the compiled program that draws it; None skips the check.

    Raises:
        UserError: it takes more memory than there is.
    """
    _compare(
        "the first state", needed, "lower --generator.width, --discriminator.width, --pool_size or --data.image_size"
    )


def _compare(what: str, needed: int | None, advice: str) -> str | None:
    """Return both numbers in words, or None where one of them is not known.

    Raises:
        UserError: `what` needs more memory than there is.
    """
    devices = jax.local_devices()
    available = device_bytes(devices[0])
    if needed is None or available is None:
        return None
    is_cpu = devices[0].platform == "cpu"
    needed *= len(devices) if is_cpu else 1
    where = "this machine" if is_cpu else "each device"
    if needed > available:
        raise UserError(f"{what} needs {_gib(needed)} of memory, but {where} has {_gib(available)}: {advice}")
    return f"{what} needs {_gib(needed)} of memory; {where} has {_gib(available)}"


def check_parts(parts: Parts, available: int | None, where: str) -> None:
    """Fail if the sum of some parts of a training is more memory than there is.

    Args:
        parts: bytes of each part.
        available: bytes, or None to skip the check.
        where: what has this memory, for the message.

    Raises:
        UserError: they need more; the message names the fields of the largest parts.
    """
    needed = sum(parts.values())
    if available is None or needed <= available:
        return
    largest = sorted((flags for flags in parts if parts[flags] >= _SHARE * needed), key=lambda flags: -parts[flags])
    *first, last = dict.fromkeys(flag for flags in largest for flag in flags)
    raise UserError(
        f"the training needs at least {_gib(needed)} of memory, but {where} has {_gib(available)}: lower "
        f"{', '.join(first)} or {last}"
    )


def _gib(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB"
