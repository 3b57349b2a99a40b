"""The files of a run for people to look at: TensorBoard logs and sample images."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from jaxtyping import UInt8

from cyclegan_jax.checkpoints import folders
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import make_folder
from cyclegan_jax.training.event_files import summary_writer
from cyclegan_jax.training.progress import Progress, Scalars
from cyclegan_jax.training.workdir import FoldersInPlace


class RunFiles:
    """Writes `tensorboard/` and `samples/` in a work directory; a context manager that closes them."""

    def __init__(self, workdir: Path, start: int = 0):
        """Open the files of a run that starts or resumes at step `start`.

        Raises:
            UserError: the work directory cannot be written.
        """
        self._samples = workdir / "samples"
        try:
            make_folder(self._samples)
            # A killed run has logged steps after its last checkpoint, and the resumed run logs them again: TensorBoard
            # then ignores the first version of them.
            self._writer, self._event_files = summary_writer(workdir / "tensorboard", purge_step=start + 1)
        except OSError as error:
            raise UserError(
                f"the work directory {workdir} cannot be written ({error}): choose another with --workdir"
            ) from error
        self._in_place = FoldersInPlace(workdir, folders.directory(workdir))

    def __enter__(self) -> Self:
        """Return this object, open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is still buffered, and close the files."""
        self._writer.close()
        self._in_place.close()

    def check_folders(self) -> None:
        """Raise if the work directory, or its folder of checkpoints, is no longer there.

        Raises:
            UserError: it was deleted, moved or replaced.
        """
        self._in_place.check()

    def log_metrics(self, step: int, scalars: Scalars, progress: Progress) -> None:
        """Log to TensorBoard: losses under `loss/`, the learning rate, speed, and the share of waiting for data.

        Raises:
            OSError: an earlier write failed, for example because the disk is full.
        """
        self._event_files.raise_error()
        for name, value in scalars.items():
            is_loss = name != "learning_rate" and not name.startswith("change_")
            self._writer.add_scalar(f"loss/{name}" if is_loss else name, value, step)
        speed = progress.pairs_per_second()
        if speed is not None:
            self._writer.add_scalar("pairs_per_second", speed, step)
            self._writer.add_scalar("waiting_for_data", progress.waited(), step)

    def log_scores(self, step: int, scores: Scalars) -> None:
        """Log the scores of an evaluation to TensorBoard under `eval/`.

        Raises:
            OSError: an earlier write failed, for example because the disk is full.
        """
        self._event_files.raise_error()
        for name, value in scores.items():
            self._writer.add_scalar(f"eval/{name}", value, step)
        self._writer.flush()

    def write_samples(self, step: int, grid: UInt8[np.ndarray, "H W 3"]) -> None:
        """Log a grid of sample images to TensorBoard, and write it to `samples/step_NNNNNNN.png`.

        Raises:
            OSError: this or an earlier write failed, for example because the disk is full.
        """
        self._event_files.raise_error()
        self._writer.add_image("samples", grid, step, dataformats="HWC")
        self._writer.flush()
        images_lib.save_png(self._samples / f"step_{step:07d}.png", grid)
