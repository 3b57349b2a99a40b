"""Replacing files: the new content or the old, and nothing beside it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cyclegan_jax.files import replacing, write_atomically


@pytest.mark.parametrize(("old", "new"), [("old", "new: ü"), (b"\x00old", b"\xffnew")])
def test_content_is_written_and_replaced(tmp_path: Path, old: str | bytes, new: str | bytes) -> None:
    path = tmp_path / "file"
    for content in (old, new):
        write_atomically(path, content)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_half_way_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    write_atomically(path, "old")

    def full_disk(self: Path, text: str, encoding: str) -> int:
        self.write_bytes(text[:1].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_atomically(path, "old")
    program = f"""
import os, signal
from pathlib import Path
from cyclegan_jax.files import replacing
with replacing(Path({str(path)!r})) as temporary:
    temporary.write_text("ne")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_a_missing_folder_raises_the_error_of_writing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "file", "new")
