"""Environment variables that the entry points set before JAX starts; importing the package sets nothing."""

import hashlib
import os
import platform
from collections.abc import Mapping, MutableMapping
from importlib import metadata
from pathlib import Path
from typing import Final

from cyclegan_jax import files

CPU_FUSION_FLAG: Final = "--xla_cpu_experimental_ynn_fusion_type"
CACHE_BYTES: Final = 4 * 2**30
"""Size limit of the cache of compiled programs; JAX evicts the least recently used ones beyond it."""


def set_xla_flags(environ: MutableMapping[str, str] = os.environ, jaxlib_version: str | None = None) -> None:
    """Add XLA flags that make training on CPU faster; flags that the user has set stay.

    Args:
        environ: the environment to change; only effective before JAX's first use of a device.
        jaxlib_version: such as "0.10.2"; by default the installed version.
    """
    version = jaxlib_version if jaxlib_version is not None else metadata.version("jaxlib")
    flags = environ.get("XLA_FLAGS", "")
    # jaxlib 0.10 runs convolutions on CPU by YNNPACK, which needs over 3x the time of XLA's default kernels for the 3x3
    # convolutions of the residual blocks. The flag restricts YNNPACK to reductions, such as instance norms. Other
    # versions of jaxlib may not have the flag, and XLA aborts on a flag that it does not know.
    if version.startswith("0.10.") and CPU_FUSION_FLAG not in flags:
        environ["XLA_FLAGS"] = f"{flags} {CPU_FUSION_FLAG}=LIBRARY_FUSION_TYPE_REDUCE".strip()


def enable_compilation_cache(environ: MutableMapping[str, str] = os.environ) -> None:
    """Make JAX cache compiled programs in the user's cache folder, so that the next start does not compile them again.

    JAX_COMPILATION_CACHE_DIR and JAX_ENABLE_COMPILATION_CACHE=false, set by the user, keep their effect. Without write
    access to the folder there is no cache.

    Args:
        environ: the environment to change; only effective before JAX is imported.
    """
    if "JAX_COMPILATION_CACHE_DIR" in environ:
        return
    try:
        # A home folder may be shared by machines with different processors, which cannot run each other's machine code.
        folder = cache_folder(environ) / "compiled" / processor()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, files.UnreadableError):  # no home folder, or one that this process may not write
        return
    if not os.access(folder, os.W_OK):
        return
    environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(CACHE_BYTES))
    environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The package's folder in the user's cache, whether it exists or not.

    Raises:
        UnreadableError: the user has no home folder.
    """
    base = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or files.expand("~"), ".cache"))
    return base / "cyclegan-jax"


def processor() -> str:
    """Return a short name for the processor's instruction set, such as `x86_64-1a2b3c4d`."""
    try:
        with open("/proc/cpuinfo") as lines:  # noqa: PTH123
            features = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"
