"""Archives made to do harm: bombs, paths that lead out of a folder, links, and sizes that are not true."""

import shutil
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cyclegan_jax.data.sets import archives
from cyclegan_jax.errors import UserError


def packed(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("set/trainA/1.png")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("../trainA/1.png", "holds the path '../trainA/1.png', which leads out of a folder"),
        ("set/../../1.png", "leads out of a folder"),
        ("/etc/1.png", "leads out of a folder"),
        ("C:/1.png", "leads out of a folder"),
        ("set\\..\\1.png", "leads out of a folder"),
        (link(), "holds the link 'set/trainA/1.png'"),
    ],
)
def test_entries_that_lead_elsewhere_are_refused(tmp_path: Path, entry: zipfile.ZipInfo | str, message: str) -> None:
    path = packed(tmp_path / "set.zip", (entry, b"content"))
    with zipfile.ZipFile(path) as archive, pytest.raises(UserError, match=message):
        archives.check(archive)


def test_bombs_are_refused_before_they_are_inflated(tmp_path: Path) -> None:
    many = packed(tmp_path / "many.zip", *((f"set/{index}.png", bytes(1 << 24)) for index in range(8)))
    one = packed(tmp_path / "one.zip", ("set/1.png", bytes((1 << 28) + 1)))
    for path, message in ((many, r"inflates from 0\.1 MB to 134 MB: it is not the"), (one, "'set/1.png' of 268 MB")):
        with zipfile.ZipFile(path) as archive, pytest.raises(UserError, match=message):
            archives.check(archive)


def test_an_archive_of_ordinary_files_passes(tmp_path: Path) -> None:
    path = packed(tmp_path / "set.zip", ("set/trainA/1.png", b"content"), ("set/README", b"text " * 10000))
    with zipfile.ZipFile(path) as archive:
        archives.check(archive)
        assert archives.read(archive, "set/trainA/1.png") == b"content"
        archives.check_space(archive, archive.namelist(), tmp_path)


def test_no_more_is_inflated_than_the_directory_says(tmp_path: Path) -> None:
    size = 1 << 28
    path = packed(tmp_path / "set.zip", ("set/1.png", bytes(size)))
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", size), struct.pack("<I", 1000)))
    program = """
import resource, sys, zipfile
from cyclegan_jax.data.sets import archives
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with zipfile.ZipFile(sys.argv[1]) as archive:
    archives.check(archive)
    try:
        archives.read(archive, "set/1.png")
    except zipfile.BadZipFile as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000)
"""
    ended = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60)
    assert ended.stdout.splitlines() == ["Bad CRC-32 for file 'set/1.png'", "True"], ended.stderr


def test_a_disk_without_room_is_reported_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "set.zip", ("set/1.png", bytes(5_000_000)))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    with (
        zipfile.ZipFile(path) as archive,
        pytest.raises(UserError, match=r"take 5 MB, but .* has 1 MB free: make room"),
    ):
        archives.check_space(archive, archive.namelist(), tmp_path)
