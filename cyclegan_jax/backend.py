"""What an entry point sets before JAX starts its backends; importing the package sets nothing."""

import os
from collections.abc import MutableMapping
from importlib import metadata

CPU_FUSION_FLAG = "--xla_cpu_experimental_ynn_fusion_type"


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
