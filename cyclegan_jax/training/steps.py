"""Making the steps of a prepared run: the batches of each call, and the program compiled for its number of steps."""

import dataclasses
import itertools
import logging
import time
from collections.abc import Callable

import jax
import numpy as np

from cyclegan_jax import live
from cyclegan_jax.console import duration
from cyclegan_jax.devices import memory
from cyclegan_jax.devices.step_program import CompiledStep, HostBatch
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import Metrics
from cyclegan_jax.training import schedule
from cyclegan_jax.training.compile_time import CompileTime
from cyclegan_jax.training.preparation import PreparedSteps

_LOG = logging.getLogger(__name__)


class StepMaker:
    """Makes the steps from that of a state to another, in the calls that the schedule divides them into."""

    def __init__(self, run: PreparedSteps, train_state: TrainState, last_step: int):
        """Compile the programs of all calls up to `last_step`, and check that there is memory for a step.

        Raises:
            UserError: a step needs more memory than there is, or the first images cannot be read.
        """
        self._run = run
        self._periods = dataclasses.replace(run.periods, last_step=last_step)
        first = next(run.batches)
        self._batches = itertools.chain([first], run.batches)
        self._compiled = self._compile(train_state, _stack([first] * run.config.accumulate))

    def next_batch(self, step: int) -> tuple[int, HostBatch]:
        """Return how many steps the call after `step` makes, and their batches."""
        number = schedule.steps_per_call(self._run.config.steps_per_dispatch, self._periods, step)
        return number, _stack([self._of_step() for _ in range(number)])

    def _of_step(self) -> HostBatch:
        return _stack([next(self._batches) for _ in range(self._run.config.accumulate)])

    def call(self, number: int, train_state: TrainState, batch: HostBatch) -> tuple[TrainState, Metrics]:
        """Make `number` steps: returns while the devices still work, and donates `train_state`."""
        # A name for the pair: the compiled program has no types.
        result: tuple[TrainState, Metrics] = self._compiled[number](train_state, batch)
        return result

    def _compile(self, train_state: TrainState, batch: HostBatch) -> dict[int, CompiledStep]:
        compiled: dict[int, CompiledStep] = {}
        sizes = schedule.call_sizes(self._run.config.steps_per_dispatch, self._periods, int(train_state.step))
        for number in sizes:
            begin, used = time.monotonic(), time.thread_time()
            with live.showing("tracing the step"):
                compile_now = self._run.program(number).trace(train_state, _stack([batch] * number))
            with live.showing(_log_compiling(CompileTime(time.thread_time() - used, time.monotonic() - begin))):
                compiled[number] = compile_now()
            if len(compiled) == 1:
                memory.check(memory.step_bytes(compiled[number].executable), self._run.config)
        return compiled


def _log_compiling(compilation: CompileTime) -> str | Callable[[], str]:
    """Log what is being done, and how long that may take; return what the live line shows meanwhile."""
    if jax.default_backend() != "cpu":
        # The estimate is one of XLA's compiler for CPUs; nothing has been measured with another.
        _LOG.info("compiling the step")
        return "compiling the step"
    about = duration(compilation.seconds_left())
    _LOG.info(f"compiling the step (about {about}; seconds if it was compiled before)")
    return compilation.line


def _stack(batches: list[HostBatch]) -> HostBatch:
    """Stack several batches along a new first axis, of steps or of parts; a single batch stays as it is."""
    if len(batches) == 1:
        return batches[0]
    return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
