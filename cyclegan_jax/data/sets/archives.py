"""Zip archives whose images are read without unpacking them, within limits: none can fill the memory or the disk."""

import re
import shutil
import stat
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

from cyclegan_jax.errors import UserError

_MEMBER: Final = 1 << 28
"""Bytes of the largest file that is inflated; the images of the data sets have up to a few MB."""
_RATIO: Final = 100
"""How many times its own size an archive may inflate to: images are compressed already, text shrinks to a tenth."""
_FREE: Final = 1 << 26
"""Bytes to which any archive may inflate."""


def check(archive: zipfile.ZipFile) -> None:
    """Refuse an archive that could do harm; only its directory is read.

    Raises:
        UserError: an entry has an absolute path or one with `..`, or is a link; or the archive inflates to far more
            than images do.
    """
    total = 0
    for entry in archive.infolist():
        parts = re.split(r"[/\\]", entry.filename)
        if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", entry.filename):
            raise _refused(archive, f"holds the path {entry.filename!r}, which leads out of a folder")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _refused(archive, f"holds the link {entry.filename!r}")
        if entry.file_size > _MEMBER:
            raise _refused(archive, f"holds {entry.filename!r} of {entry.file_size / 1e6:,.0f} MB")
        total += entry.file_size
    own = sum(entry.compress_size for entry in archive.infolist())
    if archive.filename is not None:
        own = min(own, Path(archive.filename).stat().st_size)  # entries can share the same compressed bytes
    if total > max(_FREE, _RATIO * own):
        raise _refused(archive, f"inflates from {own / 1e6:,.1f} MB to {total / 1e6:,.0f} MB")


def check_space(archive: zipfile.ZipFile, names: Collection[str], folder: Path) -> None:
    """Refuse to copy these entries to `folder` if its disk has too little space.

    Raises:
        UserError: the entries are larger than what is free.
    """
    needed, free = sum(archive.getinfo(name).file_size for name in names), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"the images in {archive.filename} take {needed / 1e6:,.0f} MB, but {folder} has {free / 1e6:,.0f} MB "
            "free: make room, or use another folder"
        )


def read(archive: zipfile.ZipFile, name: str) -> bytes:
    """Inflate one entry, but no more of it than the archive's directory says, which `check` has limited.

    Raises:
        zipfile.BadZipFile: the entry is damaged, or larger than the directory says.
    """
    size = archive.getinfo(name).file_size
    with archive.open(name) as opened:
        content = opened.read(size + 1)  # without a number, zipfile inflates blocks of any size before it counts them
        if len(content) != size:
            raise zipfile.BadZipFile(f"{name} has {len(content)} bytes instead of {size}")
        return content


def _refused(archive: zipfile.ZipFile, what: str) -> UserError:
    return UserError(f"the archive {archive.filename} {what}: it is not the published one; download it again")
