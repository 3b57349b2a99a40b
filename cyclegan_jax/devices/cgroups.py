"""The memory limits of the Linux control groups that this process is in: those of a container, or of a batch job."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path("/")
"""Where /proc and /sys are."""


def memory_limit() -> int | None:
    """Return the lowest memory limit of this process's groups and of those around them, in bytes, or None.

    Reads version 1 and 2. Inside a container the paths in /proc/self/cgroup may be the host's, which do not exist here:
    the groups around them, up to the mount itself, are read too.
    """
    found = [_number(file) for file in _files(ROOT)]
    return min((number for number in found if number is not None), default=None)


def _files(root: Path) -> Iterator[Path]:
    """The files of the limits: of the mounts' own groups, and along each path in /proc/self/cgroup."""
    mounts = root / "sys" / "fs" / "cgroup"
    version_1 = (mounts / "memory", "memory.limit_in_bytes")
    version_2 = ((mounts, "memory.max"), (mounts / "unified", "memory.max"))
    for folder, name in (version_1, *version_2):
        yield folder / name
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(errors="replace").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        # A line without controllers, `0::/path`, is version 2.
        kinds = version_2 if number == "0" and not controllers else ()
        for folder, name in (version_1,) if "memory" in controllers.split(",") else kinds:
            parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
            for depth in range(1, len(parts) + 1):
                yield folder.joinpath(*parts[:depth], name)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such group, or the word `max`
        return None
