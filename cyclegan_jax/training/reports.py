"""What a run tells its user: the progress line, TensorBoard, and picture grids."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cyclegan_jax.console import duration
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.errors import UserError
from cyclegan_jax.training.event_files import summary_writer

Scalars = dict[str, float]

_WAIT_TOLD: Final = 0.05
"""The share of the time spent waiting for data from which on the progress line tells it."""


class Progress:
    """Speed and time left; the first step, which compiles, and the time of `paused()` do not count."""

    def __init__(self, stop: int, batch_size: int):
        """Towards step `stop`, with `batch_size` image pairs a step."""
        self._stop = stop
        self._batch_size = batch_size
        self._since: tuple[int, float] | None = None
        self._waited = 0.0

    def done(self, step: int) -> None:
        """Note that a step is done: the clock starts at the first."""
        if self._since is None:
            self._since = (step, time.monotonic())

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time spent inside."""
        begin = time.monotonic()
        yield
        if self._since is not None:
            self._since = (self._since[0], self._since[1] + time.monotonic() - begin)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time spent inside as waiting for data."""
        begin = time.monotonic()
        yield
        if self._since is not None:
            self._waited += time.monotonic() - begin

    def waited(self) -> float:
        """The share of the time since the line before that was spent waiting for data, from 0 to 1."""
        return 0.0 if self._since is None else min(1.0, self._waited / max(time.monotonic() - self._since[1], 1e-9))

    def images_per_second(self, step: int) -> float | None:
        """Image pairs a second since the line before, or None while no step has been timed."""
        if self._since is None or step <= self._since[0]:
            return None
        first, since = self._since
        return (step - first) * self._batch_size / max(time.monotonic() - since, 1e-9)

    def line(self, step: int, scalars: Scalars) -> str:
        """The progress line of a step; the next stretch is timed from here."""
        parts = [f"step {step:,}/{self._stop:,}"]
        speed = self.images_per_second(step)
        if speed is not None:
            left = duration((self._stop - step) * self._batch_size / speed)
            parts += [f"{speed:.3g} images/s", f"{left} left"]
            if self.waited() > _WAIT_TOLD:
                parts.append(f"{self.waited():.0%} waiting for data")
        parts.append(f"G {scalars['generators']:.3f}  D {scalars['discriminators']:.3f}")
        for name, ends in {"gan": ("AtoB", "BtoA"), "cycle": ("A", "B"), "identity": ("A", "B")}.items():
            if f"{name}_{ends[0]}" in scalars:
                parts.append(f"{name} {scalars[f'{name}_{ends[0]}']:.3f}/{scalars[f'{name}_{ends[1]}']:.3f}")
        self._since, self._waited = (step, time.monotonic()), 0.0
        return "  ".join(parts)


class Reports:
    """The files of a run that a person looks at; a context manager that closes them."""

    def __init__(self, workdir: Path, start: int = 0):
        """Open the reports of a run that goes on from step `start`.

        Raises:
            UserError: the work directory cannot be written.
        """
        self._samples = workdir / "samples"
        try:
            self._samples.mkdir(parents=True, exist_ok=True)
            # What an interrupted run logged after its last checkpoint is logged again: TensorBoard drops the old part.
            self._writer, self._event_files = summary_writer(workdir / "tensorboard", purge_step=start + 1)
        except OSError as error:
            raise UserError(
                f"the work directory {workdir} cannot be written ({error}): give another by --workdir"
            ) from error

    def __enter__(self) -> Self:
        """The object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is still buffered."""
        self._writer.close()

    def scalars(self, step: int, values: Scalars, progress: Progress) -> None:
        """Log losses, the learning rate, speed and the share of the time spent waiting for data.

        Raises:
            OSError: the disk has taken no more.
        """
        self._event_files.raise_error()
        images_per_second = progress.images_per_second(step)
        for name, value in values.items():
            is_loss = name != "learning_rate" and not name.startswith("change_")
            self._writer.add_scalar(f"loss/{name}" if is_loss else name, value, step)
        if images_per_second is not None:
            self._writer.add_scalar("images_per_second", images_per_second, step)
            self._writer.add_scalar("waiting_for_data", progress.waited(), step)

    def evaluation(self, step: int, scores: Scalars) -> None:
        """Log the scores of an evaluation under `eval/`.

        Raises:
            OSError: the disk has taken no more.
        """
        self._event_files.raise_error()
        for name, value in scores.items():
            self._writer.add_scalar(f"eval/{name}", value, step)
        self._writer.flush()

    def picture(self, step: int, grid: npt.NDArray[np.uint8]) -> Path:
        """Log a grid (H, W, 3) uint8 and write it to `samples/step_NNNNNNN.png`, whose path is returned.

        Raises:
            OSError: the disk has taken no more.
        """
        self._event_files.raise_error()
        self._writer.add_image("samples", grid, step, dataformats="HWC")
        self._writer.flush()
        path = self._samples / f"step_{step:07d}.png"
        images_lib.save_png(path, grid)
        return path
