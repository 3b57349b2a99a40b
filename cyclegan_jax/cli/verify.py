"""`cyclegan-jax verify`: make the steps between two checkpoints again, and compare the result bit for bit."""

from pathlib import Path
from typing import TYPE_CHECKING

from cyclegan_jax.cli.exit_status import DIFFERENT
from cyclegan_jax.config_checks import require
from cyclegan_jax.console import duration, progress_bar, shown_log

if TYPE_CHECKING:
    from cyclegan_jax.training.verification import Verification

_LISTED_AT_MOST = 10
"""Differing arrays listed by name; the rest are counted."""


def verify(
    run: Path,
    step: int | str | None = None,
    steps: int | None = None,
    data_dir: str | None = None,
    allow_code: bool = False,
) -> int:
    """Make the steps between two checkpoints of a run again, and compare the result with the later one bit for bit.

    Training steps are deterministic on one kind of hardware with the same versions: a difference means that the data,
    the code, the environment or the memory of the machine changed. Nothing is written into the run, which may be
    training at the same time. The exit status is 0 if every bit is equal, and 1 if any differs.

    Args:
        run: work directory of a run.
        step: checkpoint to start from: a step, or the end of an epoch such as epoch:20; default: the one before the
            newest.
        steps: number of steps from there to the checkpoint to compare with; default: to the next checkpoint.
        data_dir: folder of the data set, if it has moved since the training.
        allow_code: import the modules that the run's data.source and loss.extra name, if they do. Allow it for runs
            that you trust.
    """
    # JAX reads its flags when it is imported; main.py sets them before it calls this function.
    from cyclegan_jax.training import verification

    require(steps is None or steps >= 1, "--steps", steps, "at least 1")
    with shown_log():
        found = verification.verify(run, step, steps, data_dir=data_dir, allow_code=allow_code, progress=progress_bar)
    for line in _lines(found):
        print(line)
    return 0 if found.equal else DIFFERENT


def _lines(found: "Verification") -> list[str]:
    what = f"steps {found.first:,} to {found.last:,} made again in {duration(found.seconds)}"
    if found.equal:
        return [f"{what}: equal, all bits of {found.arrays} arrays and the position in the data"]
    lines = [f"{what}: different"]
    if found.differing:
        lines.append(f"{len(found.differing)} of {found.arrays} arrays differ, by at most:")
        shown = list(found.differing.items())[:_LISTED_AT_MOST]
        lines += [f"  {name} {difference:.3g}" for name, difference in shown]
        if len(shown) < len(found.differing):
            lines.append(f"  and {len(found.differing) - len(shown)} more")
    if found.position is not None:
        lines.append(f"position in the data: {found.position[0]}, but {found.position[1]} in the checkpoint")
    if found.changed_config:
        lines.append(f"config changed between the checkpoints: {', '.join(found.changed_config)}")
    return [*lines, _environment_line(found)]


def _environment_line(found: "Verification") -> str:
    if found.changed_environment is None:
        return "the checkpoint does not record the versions and the hardware it was made with"
    if found.changed_environment:
        return f"versions and hardware, then -> now: {', '.join(found.changed_environment)}"
    return "versions and hardware are those of the checkpoint"
