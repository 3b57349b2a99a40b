"""What an entry point sets before JAX starts its backends; importing the package sets nothing."""

import hashlib
import os
import platform
from collections.abc import MutableMapping
from importlib import metadata
from pathlib import Path
from typing import Final

CPU_FUSION_FLAG: Final = "--xla_cpu_experimental_ynn_fusion_type"
CACHE_BYTES: Final = 4 * 2**30
"""The compiled programs that are kept; beyond that those that were not used for the longest time go."""


def prepare(environ: MutableMapping[str, str] = os.environ, jaxlib_version: str | None = None) -> None:
    """Add the XLA flags that make training faster, leaving alone what the user has set.

    jaxlib 0.10 hands convolutions on CPU to YNNPACK, which computes the 3x3 convolutions of the residual blocks at
    under a third of the default kernels' rate. The flag keeps YNNPACK for reductions, such as instance norms, alone.
    Other versions of jaxlib may not know the flag, and XLA ends the process at a flag that it does not know.

    Args:
        environ: the environment to change; it has an effect only before JAX's first use of a device.
        jaxlib_version: such as "0.10.2"; by default the installed one.
    """
    version = jaxlib_version if jaxlib_version is not None else metadata.version("jaxlib")
    flags = environ.get("XLA_FLAGS", "")
    if version.startswith("0.10.") and CPU_FUSION_FLAG not in flags:
        environ["XLA_FLAGS"] = f"{flags} {CPU_FUSION_FLAG}=LIBRARY_FUSION_TYPE_REDUCE".strip()


def keep_compiled_programs(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let JAX keep compiled programs in the user's cache directory, so that the next start need not compile them.

    A user's own JAX_COMPILATION_CACHE_DIR, or JAX_ENABLE_COMPILATION_CACHE=false, is left as it is. Where the directory
    cannot be written, nothing is kept.

    Args:
        environ: the environment to change; it has an effect only before JAX is imported.
    """
    if "JAX_COMPILATION_CACHE_DIR" in environ:
        return
    base = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home(), ".cache"))
    # A home directory that several machines share must not hand one the machine code of another.
    folder = base / "cyclegan-jax" / "compiled" / _machine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(CACHE_BYTES))
    environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def _machine() -> str:
    """A short name of what the processor can do."""
    try:
        with open("/proc/cpuinfo") as lines:  # noqa: PTH123
            able = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        able = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(able.encode()).hexdigest()[:8]}"
