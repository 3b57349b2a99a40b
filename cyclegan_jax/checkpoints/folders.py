"""The folders `checkpoints/` and `snapshots/` of a run: their steps, and renaming and deleting what is there."""

import contextlib
import os
import re
import shutil
import time
from pathlib import Path

from cyclegan_jax import files
from cyclegan_jax.errors import UserError

_CONTENT = ("_CHECKPOINT_METADATA", "orbax.checkpoint", "state")
_UNFINISHED = re.compile(r"\d+\.(unfinished.*|orbax-checkpoint-tmp.*|deleted)")
"""Early versions wrote a checkpoint without `.unfinished` in its temporary name."""
_SETTLE_SECONDS = 5.0
_SETTLE_CHECKS = 3
_IN_RUN = ("checkpoints", "snapshots")


def directory(run: str | Path) -> Path:
    """The absolute path of the folder in which the run with this work directory keeps its checkpoints."""
    return Path(run).absolute() / "checkpoints"


def snapshot_directory(run: str | Path) -> Path:
    """The absolute path of the folder in which the run keeps its snapshots: generators alone, never deleted."""
    return Path(run).absolute() / "snapshots"


def is_in_run(path: Path) -> bool:
    """Whether the folder of a checkpoint or snapshot is where its run keeps it, under the name of its step."""
    folder = path.absolute()
    return folder.parent.name in _IN_RUN and folder.name.isdigit()


def is_copy(path: Path) -> bool:
    """Whether `path` is the folder of a checkpoint that was copied or moved out of its run, or renamed."""
    return not is_in_run(path) and files.exists(path / _CONTENT[0])


def steps(run: str | Path) -> list[int]:
    """The steps of a run's checkpoints, whole or damaged, in ascending order."""
    return steps_in(directory(run))


def snapshot_steps(run: str | Path) -> list[int]:
    """The steps of a run's snapshots, whole or damaged, in ascending order."""
    return steps_in(snapshot_directory(run))


def steps_in(folder: Path) -> list[int]:
    """The steps of the checkpoints in `folder`, whole or damaged, in ascending order.

    A folder with a number for its name but without any file of a checkpoint is not ours, and is ignored.

    Raises:
        UnreadableError: the folder, or one in it, cannot be read.
    """
    listed = _numbered(folder)
    while True:
        found = [path for path in listed if any(files.exists(path / name) for name in _CONTENT)]
        # Meanwhile a training may have saved a newer one, and deleted what was the newest.
        before, listed = listed, _numbered(folder)
        if listed == before:
            return sorted(int(path.name) for path in found)


def _numbered(folder: Path) -> list[Path]:
    return [path for path in files.entries(folder) if re.fullmatch(r"0|[1-9]\d*", path.name)]


def required_steps(run: str | Path) -> list[int]:
    """`steps`, for callers that cannot work without a checkpoint.

    Raises:
        UserError: the run has none.
    """
    present = steps(run)
    snapshots = [] if present else snapshot_steps(run)
    if snapshots:
        raise UserError(
            f"{run} has no checkpoints, but snapshots of the generators alone: name one by its step "
            f"({', '.join(map(str, snapshots))})"
        )
    if not present:
        _refuse_pytorch(Path(run))
        raise UserError(f"{run} has no checkpoints: give the work directory of a run, such as runs/streets")
    return present


def loadable_steps(run: str | Path) -> list[int]:
    """The steps of a run's checkpoints and snapshots, in ascending order: those whose generators can be loaded.

    Raises:
        UserError: the run has none.
    """
    return present_steps(run) or required_steps(run)


def present_steps(run: str | Path) -> list[int]:
    """`loadable_steps`, empty where there are none."""
    return sorted({*steps(run), *snapshot_steps(run)})


def _refuse_pytorch(run: Path) -> None:
    """Raise a sentence of its own for weights of PyTorch, which the official code's users may give."""
    for path in files.entries(run) if files.is_dir(run) else [run]:
        if path.suffix.lower() in (".pth", ".pt"):
            raise UserError(
                f"{path} holds weights of PyTorch: make a run of them with `cyclegan-jax import {run} --workdir RUN`, "
                "and give that run"
            )


def find(run: str | Path, step: int | None = None) -> Path:
    """The folder of the checkpoint of `step`, or of the snapshot where there is no checkpoint.

    Args:
        run: the work directory of the run.
        step: the step; None is that of the newest checkpoint.

    Raises:
        UserError: the run has no checkpoint, or neither checkpoint nor snapshot of that step.
    """
    if step is None:
        return directory(run) / str(required_steps(run)[-1])
    saved, present = steps(run), loadable_steps(run)
    if step not in present:
        raise UserError(f"{run} has no checkpoint of step {step}; it has {', '.join(map(str, present))}")
    return (directory(run) if step in saved else snapshot_directory(run)) / str(step)


def unfinished(path: Path) -> Path:
    """Where the checkpoint `path` is written until it is whole and on the disk."""
    return path.with_name(f"{path.name}.unfinished")


def set_aside(path: Path) -> Path:
    """Rename a folder to `<name>.set-aside`, so that it no longer counts as a checkpoint; nothing is deleted."""
    aside = path.rename(files.set_aside_name(path))
    files.sync(path.parent)
    return aside


def remove(path: Path) -> None:
    """Delete a checkpoint."""
    # Renamed first, and on the disk: a kill or power failure meanwhile must not leave a part under the step's name.
    going = path.with_name(f"{path.name}.deleted")
    shutil.rmtree(going, ignore_errors=True)
    path.rename(going)
    files.sync(path.parent)
    shutil.rmtree(going, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Delete what killed processes left behind while they saved or deleted."""
    for path in folder.glob("*"):
        if _UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def remove_failed_save(folder: Path) -> None:
    """Delete what a failed save of this process left behind; takes up to 5 s."""
    # Orbax reports the first array that failed while its other threads still write, and these create the temporary
    # folder again. It has to stay away for a few checks in a row before it is gone for good.
    end = time.monotonic() + _SETTLE_SECONDS
    checks = 0
    while checks < _SETTLE_CHECKS and time.monotonic() < end:
        remove_unfinished(folder)
        time.sleep(0.1)
        checks = 0 if any(_UNFINISHED.fullmatch(path.name) for path in folder.glob("*")) else checks + 1


def size(path: Path) -> int:
    """The bytes that a checkpoint takes on disk; 0 for what a training has deleted meanwhile."""
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total
