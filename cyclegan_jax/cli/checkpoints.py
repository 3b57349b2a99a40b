"""`cyclegan-jax checkpoints`: list the checkpoints of a run, and verify them."""

import os
from pathlib import Path

from cyclegan_jax import files
from cyclegan_jax.cli.exit_status import DAMAGED


def checkpoints(run: Path) -> int:
    """List the checkpoints of a run with step, size and scores, and verify each against its checksums.

    The exit status is 1 if a checkpoint is damaged.

    Args:
        run: work directory of a run.
    """
    # On CPU: a training on the accelerator, perhaps of this very run, needs all of its memory.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from cyclegan_jax.checkpoints import health as checkpoint_health

    with files.naming("--run"):
        healths = checkpoint_health.examine(run)
    print(checkpoint_health.table(healths))
    return DAMAGED if any(health.damage is not None for health in healths) else 0
