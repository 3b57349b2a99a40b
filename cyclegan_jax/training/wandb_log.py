"""A copy of a run's log at Weights & Biases (`--wandb`), which never stops the training.

W&B numbers what it is sent by a counter of its own, which never goes back, and drops what is sent with a lower number.
A killed run logs the steps after its last checkpoint twice. Therefore no number of ours is given for that counter: the
step is logged as one more value, and declared as the horizontal axis of all others.
"""

import importlib.util
import logging
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cyclegan_jax import config_dict, files, live
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.console import one_line
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError

if TYPE_CHECKING:
    from wandb import Run

_LOG = logging.getLogger(__name__)

ID_FILE: Final = "wandb_id.txt"
"""Holds the id of the run at W&B, so that a resumed run continues it."""
_FINISH_SECONDS: Final = 60.0
"""The longest wait for an upload at the end of a run; `wandb sync` uploads the rest from the disk."""


def check_installed() -> None:
    """Return if the package wandb is installed.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("wandb") is None:
        raise UserError(
            "--wandb needs the package wandb, which is not installed: pip install 'cyclegan-jax[wandb]', or leave the "
            "flag out"
        )


class WandbLog:
    """Sends what a run logs to W&B, until the first error, which is logged; without W&B it does nothing."""

    def __init__(self, workdir: Path, config: TrainConfig):
        """Begin the run at W&B, or continue it, if the config asks for one.

        Raises:
            OSError: the run's id cannot be written to `workdir`.
        """
        self._run: Run | None = None
        if config.wandb is None:
            return
        run_id = _run_id(workdir)
        with live.showing("connecting to Weights & Biases"):
            self._guarded(lambda: self._begin(workdir, config, run_id))

    def _begin(self, workdir: Path, config: TrainConfig, run_id: str) -> None:
        import wandb

        # Silent, it asks for no API key, for which a training on a terminal would wait. Its capture of the output
        # would get in the way of ours.
        settings = wandb.Settings(silent=True, console="off", finish_timeout=_FINISH_SECONDS)
        wandb.setup(settings=settings)
        entity, _, project = (config.wandb or "").rpartition("/")
        run = wandb.init(
            entity=entity or None,
            project=project,
            id=run_id,
            name=workdir.absolute().name,
            dir=workdir,
            resume="allow",
            reinit="create_new",  # a run that a notebook has open stays its own
            settings=settings,
        )
        self._run = run
        # A resumed run may have another config, and W&B refuses a value that changes unless it is told.
        run.config.update(config_dict.to_dict(config), allow_val_change=True)
        run.define_metric("step")
        run.define_metric("*", step_metric="step")
        place = run.url or f"{run.settings.sync_dir} (wandb sync uploads it)"
        _LOG.info(f"Weights & Biases: {place}")

    def log(self, values: Mapping[str, float]) -> None:
        """Send a line of `metrics.jsonl`, which has `step`."""
        run = self._run
        if run is not None:
            self._guarded(lambda: run.log(dict(values)))

    def log_picture(self, step: int, grid: Uint8Image) -> None:
        """Send a grid of sample images."""
        run = self._run
        if run is not None:
            self._guarded(lambda: _log_picture(run, step, grid))

    def close(self) -> None:
        """Wait for the upload, for a minute at most."""
        run = self._run
        if run is not None:
            with live.showing("uploading to Weights & Biases"):
                self._guarded(run.finish)

    def _guarded(self, call: Callable[[], object]) -> None:
        """Call; after an error, whatever it is, log it and send nothing more."""
        try:
            call()
        except Exception as error:
            self._run = None
            reason = one_line(str(error) or type(error).__name__)
            _LOG.warning(f"Weights & Biases gets no more of this run ({reason}); the training continues")


def _log_picture(run: "Run", step: int, grid: Uint8Image) -> None:
    import wandb

    run.log({"step": step, "samples": wandb.Image(grid, caption=f"step {step:,}")})


def _run_id(workdir: Path) -> str:
    """The run's id at W&B, which is drawn when it is first asked for."""
    path = workdir / ID_FILE
    if files.is_file(path):
        return files.read_bytes(path).decode(errors="replace").strip()
    run_id = secrets.token_hex(8)
    files.write_atomically(path, f"{run_id}\n")
    return run_id
