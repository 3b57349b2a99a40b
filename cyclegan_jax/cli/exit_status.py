"""Exit statuses of `train.py` and `cyclegan-jax`. A run stopped by a signal ends with `interruption.exit_status`."""

from typing import Final

from cyclegan_jax.devices import supervision

SKIPPED: Final = 1
"""`cyclegan-jax translate` skipped a file that it could not read."""
DAMAGED: Final = 1
"""`cyclegan-jax checkpoints` found a damaged checkpoint."""
DIFFERENT: Final = 1
"""`cyclegan-jax verify` found a difference."""
MISTAKE: Final = 2
"""The user made a mistake, for example in a flag; also argparse's and tyro's status."""
PEER_LOST: Final = supervision.PEER_LOST
"""Another process of the run ended."""
INTERRUPTED: Final = 130
"""Ctrl-C outside the training loop, where there is nothing to save; 128 + SIGINT, as shells do."""
