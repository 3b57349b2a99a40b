"""What the two ways to compile a training step, `jit` and `pmap`, have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from cyclegan_jax.devices.collectives import Collectives

HostBatch = dict[str, np.ndarray]
"""This process's part of a batch, or of several with a first axis of steps: images by domain, (N, H, W, C)."""
Step = Callable[[Any, Any], tuple[Any, Any]]
"""(state, batch) -> (state, metrics), traceable."""
MakeStep = Callable[[Collectives], Step]
"""Builds the step for the collectives of `jit` or of `pmap`."""


@dataclass(frozen=True)
class CompiledStep:
    """A compiled training step; calling it returns while the devices still work.

    Attributes:
        executable: the compiled program, for its memory analysis.
        run: (state, batch) -> (state, metrics). The state is replicated and donated: its arrays must not be used again.
            With several steps per call, the batch and the metrics have a first axis of steps.
    """

    executable: jax.stages.Compiled
    run: Callable[[Any, HostBatch], tuple[Any, Any]]

    def __call__(self, state: Any, batch: HostBatch) -> tuple[Any, Any]:
        """Run the program; see `run`."""
        return self.run(state, batch)


@runtime_checkable  # beartype checks values of this type while the tests run
class StepProgram(Protocol):
    """A training step for all devices of a mesh, not compiled yet."""

    def compile(self, state: Any, batch: HostBatch) -> CompiledStep:
        """Compile the program for the shapes and dtypes of `state` and `batch`, whose values do not matter."""


def scan_steps(step: Step, steps: int) -> Step:
    """Put `steps` calls of `step` into one program: it takes batches, and returns metrics, with a first axis of steps.

    With one step it returns `step` itself, without that axis.
    """
    return step if steps == 1 else lambda state, batches: jax.lax.scan(step, state, batches)
