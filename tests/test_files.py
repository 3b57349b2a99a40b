"""Replacing files: the new content or the old, and nothing beside it; questions to the file system."""

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cyclegan_jax import files
from cyclegan_jax.files import UnreadableError, replacing, write_atomically


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

    def full_disk(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
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


def test_the_temporary_file_is_not_a_link_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda count: "guessed")
    (tmp_path / ".guessed.partial").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "file", "new")
    assert (tmp_path / "target").read_text() == "precious"


def test_the_content_is_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        flushed.append((Path(f"/proc/self/fd/{descriptor}").readlink(), (tmp_path / "file").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    write_atomically(tmp_path / "file", "new")
    (temporary, renamed_before), (folder, renamed_after) = flushed
    assert temporary.parent == tmp_path and not renamed_before
    assert folder == tmp_path and renamed_after


def test_files_written_together_appear_at_the_end(tmp_path: Path) -> None:
    write_atomically(tmp_path / "0", "old")
    with files.writing_together() as write:
        for number in range(20):
            write(tmp_path / str(number), b"new")
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["0"]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {str(number): "new" for number in range(20)}


def test_an_error_keeps_the_files_written_before_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.writing_together() as write:
        write(tmp_path / "first", b"whole")
        write(tmp_path / "missing" / "second", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_new_folders_are_flushed_and_old_ones_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(files, "sync", flushed.append)
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert flushed == [tmp_path, tmp_path / "a"]


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, "new")
    assert path.read_text() == "new"


def test_questions_about_what_is_and_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "ring").symlink_to("ring")
    os.mkfifo(tmp_path / "fifo")
    assert files.is_dir(tmp_path) and files.is_file(tmp_path / "file") and files.exists(tmp_path / "fifo")
    assert not files.is_file(tmp_path) and not files.is_dir(tmp_path / "file") and not files.is_file(tmp_path / "fifo")
    for absent in ("nothing", "dangling", "file/below", "ring"):
        assert not files.exists(tmp_path / absent)
    assert files.entries(tmp_path) == [tmp_path / "dangling", tmp_path / "fifo", tmp_path / "file", tmp_path / "ring"]
    assert files.entries(tmp_path / "nothing") == []


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_unreadable_is_not_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def fail(path: object, **options: object) -> os.stat_result:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "stat", fail)
    monkeypatch.setattr(os, "listdir", fail)
    monkeypatch.setattr(os, "scandir", fail)
    reason = f"cannot be read \\({os.strerror(error)}\\)"
    for question in (files.exists, files.is_file, files.is_dir, files.entries):
        with pytest.raises(UnreadableError, match=reason):
            question(tmp_path / "photos")


@pytest.mark.parametrize("path", ["n" * 256, "a\0b"])
def test_names_that_cannot_exist_are_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(UnreadableError, match="cannot be read"):
        files.is_dir(tmp_path / path)


def test_a_home_that_is_unknown_is_named() -> None:
    with pytest.raises(UnreadableError, match="~nobody-at-all/photos cannot be read"):
        files.expand("~nobody-at-all/photos")


READ = """
import sys
from cyclegan_jax.files import UnreadableError, read_bytes
try:
    print(read_bytes(sys.argv[1]))
except UnreadableError as error:
    print(error)
"""


def read_by_another_process(path: Path) -> str:
    command = [sys.executable, "-c", READ, str(path)]
    root = Path(__file__).parents[1]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, cwd=root).stdout.strip()


def test_only_regular_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 characters
        listening.bind("socket")
        said = {path.name: read_by_another_process(path) for path in files.entries(tmp_path)}
    assert said == {
        "file": "b'content'",
        "link": "b'content'",
        "ring": f"{tmp_path}/ring cannot be read (Too many levels of symbolic links)",
        "device": f"{tmp_path}/device cannot be read (it is a device, not a regular file)",
        "fifo": f"{tmp_path}/fifo cannot be read (it is a FIFO, not a regular file)",
        "socket": f"{tmp_path}/socket cannot be read (it is a socket, not a regular file)",
    }
    assert read_by_another_process(tmp_path) == f"{tmp_path} cannot be read (it is a folder, not a regular file)"


def test_one_process_at_a_time_is_alone_in_a_folder(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from cyclegan_jax.files import alone_in
with alone_in(sys.argv[1]) as held:
    assert held
    (Path(sys.argv[1]) / "alone").touch(exist_ok=False)
    time.sleep(0.2)
    (Path(sys.argv[1]) / "alone").unlink()
"""
    started = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
    with files.alone_in("gs://bucket") as held:
        assert not held


def test_an_error_while_reading_an_open_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with (
        pytest.raises(UnreadableError, match=r"file cannot be read \(Input/output error\)"),
        files.opened(tmp_path / "file"),
    ):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(KeyError), files.opened(tmp_path / "file") as file:
        raise KeyError
    assert file.closed
