"""Downloads from a real server on this machine, with its breaks, and none at all."""

import dataclasses
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan_jax.data.sets import downloads
from cyclegan_jax.data.sets.downloads import Archive
from cyclegan_jax.errors import UserError
from tests.helpers.file_server import CONTENT, Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.heads = False  # of published files everything is known
        yield running


def published(server: Server, content: bytes = CONTENT) -> Archive:
    return Archive(server.url, len(content), hashlib.sha256(content).hexdigest())


def fetched(server: Server, folder: Path) -> bytes:
    path = folder / "downloads" / "horse2zebra.zip"
    downloads.fetch(published(server), path, folder / "by_hand.zip")
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


def test_a_download_is_complete_and_logs_its_progress(server: Server, tmp_path: Path, log_lines: list[str]) -> None:
    assert fetched(server, tmp_path) == CONTENT
    assert server.asked == [None]
    assert log_lines[0] == f"downloading {server.url} (0 MB) to {tmp_path / 'downloads' / 'horse2zebra.zip'}"
    assert log_lines[-1] == "  100 % of 0 MB"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_partial_file_is_completed_or_replaced(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges = ranges
    partial = tmp_path / "downloads" / "horse2zebra.zip.partial"
    partial.parent.mkdir()
    partial.write_bytes(CONTENT[:1000])
    assert fetched(server, tmp_path) == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_damaged_partial_file_is_replaced(server: Server, tmp_path: Path, log_lines: list[str]) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "horse2zebra.zip.partial").write_bytes(bytes(1000))
    assert fetched(server, tmp_path) == CONTENT
    assert server.asked == ["bytes=1000-", None]
    assert any("received earlier is damaged" in line for line in log_lines)


def test_a_partial_file_that_is_too_long_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "horse2zebra.zip.partial").write_bytes(CONTENT + b"more")
    assert fetched(server, tmp_path) == CONTENT


def test_a_broken_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.breaks = 2
    assert fetched(server, tmp_path) == CONTENT
    half = len(CONTENT) // 2
    assert server.asked == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_a_server_that_always_breaks_off_ends_in_an_error(server: Server, tmp_path: Path) -> None:
    server.ranges, server.breaks = False, 1000
    with pytest.raises(UserError, match=r"horse2zebra\.zip cannot be downloaded \(the connection was closed early\)"):
        fetched(server, tmp_path)
    assert len(server.asked) == 2
    # What was received is kept, and a later call completes it.
    server.ranges, server.breaks = True, 0
    assert fetched(server, tmp_path) == CONTENT
    assert server.asked[2] == f"bytes={len(CONTENT) // 2}-"


def test_another_content_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(UserError, match=r"zip is not the file .* has the sha256 \w{64} instead of \w{64}; .*by_hand"):
        fetched(server, tmp_path)
    assert not list((tmp_path / "downloads").iterdir())


def test_another_size_is_refused_before_it_is_downloaded(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>log in first</html>"
    with pytest.raises(UserError, match=rf"\(the server has 25 bytes instead of {len(CONTENT)}\)"):
        fetched(server, tmp_path)
    assert not list((tmp_path / "downloads").iterdir())


def test_the_error_message_holds_the_status_of_the_server(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UserError, match=r"\(HTTP 404 Not Found\).* put that file at .*by_hand\.zip$"):
        fetched(server, tmp_path)


def test_a_range_that_the_server_refuses_starts_over_next_time(server: Server, tmp_path: Path) -> None:
    partial = tmp_path / "downloads" / "horse2zebra.zip.partial"
    partial.parent.mkdir()
    partial.write_bytes(CONTENT[:10])
    server.status = 416
    with pytest.raises(UserError, match="HTTP 416"):
        fetched(server, tmp_path)
    server.status = 200
    assert fetched(server, tmp_path) == CONTENT
    assert server.asked == ["bytes=10-", None]


def test_no_server_fails_at_once(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/horse2zebra.zip"
    before = time.monotonic()
    with pytest.raises(
        UserError, match=rf"{url} cannot be downloaded \(.*refused.*\): .* put that file at .*by_hand\.zip$"
    ):
        downloads.fetch(Archive(url, 5, "0" * 64), tmp_path / "a.zip", tmp_path / "by_hand.zip")
    assert time.monotonic() - before < 2
    assert not downloads.answers(url)


def test_a_silent_server_times_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/horse2zebra.zip"
        before = time.monotonic()
        with pytest.raises(UserError, match="timed out"):
            downloads.fetch(Archive(url, 5, "0" * 64), tmp_path / "a.zip", tmp_path / "by_hand.zip", timeout=0.2)
        assert time.monotonic() - before < 4


def test_a_folder_that_cannot_be_written_to_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "downloads").write_text("in the way")
    with pytest.raises(UserError, match=r"downloads/horse2zebra\.zip cannot be written \(.*\): give another data_dir"):
        fetched(server, tmp_path)
    assert not server.asked


def test_a_link_for_the_received_bytes_is_not_written_through(server: Server, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    precious = tmp_path / "precious"
    for content in ("", "precious"):
        precious.write_text(content)
        (tmp_path / "downloads" / "horse2zebra.zip.partial").unlink(missing_ok=True)
        (tmp_path / "downloads" / "horse2zebra.zip.partial").symlink_to(precious)
        with pytest.raises(UserError, match=r"cannot be written \(Too many levels of symbolic links\)"):
            fetched(server, tmp_path)
        assert precious.read_text() == content


def test_downloads_at_the_same_time_are_one(server: Server, tmp_path: Path) -> None:
    path, found = tmp_path / "horse2zebra.zip", []

    def one() -> None:
        downloads.fetch(published(server), path, path)
        found.append(path.read_bytes())

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 4
    assert server.asked == [None]


def asked(server: Server, folder: Path) -> bytes:
    """Fetch a file of which the server alone knows size and version."""
    server.heads = True
    path = folder / "downloads" / "G.pth"
    downloads.fetch(downloads.ask(server.url, path), path, path)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


@pytest.mark.parametrize("etag", ['"1"', None])
def test_a_file_without_checksum_is_resumed_by_its_version(server: Server, tmp_path: Path, etag: str | None) -> None:
    server.etag, server.breaks, server.ranges = etag, 1000, False
    with pytest.raises(UserError, match="closed early"):
        asked(server, tmp_path)
    server.breaks, server.ranges = 0, True
    del server.asked[:]
    assert asked(server, tmp_path) == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) // 2}-" if etag else None]


def test_bytes_of_two_versions_are_not_joined(server: Server, tmp_path: Path) -> None:
    server.etag, server.breaks, server.ranges = '"1"', 1000, False
    with pytest.raises(UserError, match="closed early"):
        asked(server, tmp_path)
    # A new version before the download is resumed, and another one within a download, of the same size each.
    server.etag, server.breaks, server.ranges, server.content = '"2"', 0, True, CONTENT[::-1]
    assert asked(server, tmp_path) == CONTENT[::-1]
    archive = downloads.ask(server.url, "by_hand")
    server.etag, server.breaks, server.content = '"3"', 1, CONTENT
    partial = tmp_path / downloads._partial_name(archive, "new.pth")
    partial.write_bytes(CONTENT[::-1][:500])
    downloads.fetch(archive, tmp_path / "new.pth", "by_hand")
    assert (tmp_path / "new.pth").read_bytes() == CONTENT


def test_a_server_that_states_no_size_is_refused(server: Server, tmp_path: Path) -> None:
    server.states_size = False
    with pytest.raises(UserError, match=r"\(the server does not state its size\): .* put that file at .*G\.pth$"):
        asked(server, tmp_path)
    server.status = 404
    with pytest.raises(UserError, match=r"\(HTTP 404 Not Found\): .* put that file at .*G\.pth$"):
        asked(server, tmp_path)
    assert not server.asked


def test_a_file_of_another_kind_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>" + CONTENT[6:]
    archive = dataclasses.replace(published(server, server.content), sha256=None, starts=(b"PK", b"\x80\x02"))
    with pytest.raises(UserError, match=r"it is of another kind, as it begins with b'<html>.*; put a complete copy at"):
        downloads.fetch(archive, tmp_path / "new" / "G.pth", "by_hand")
    assert not list((tmp_path / "new").iterdir())


def test_any_answer_is_an_answer(server: Server) -> None:
    assert downloads.answers(server.url)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT, None),
        (
            CONTENT[:-1],
            rf"it has {len(CONTENT) - 1} bytes instead of {len(CONTENT)}; delete it, or put a complete copy",
        ),
        (CONTENT[1:] + b"!", "it has the sha256 "),
        (None, r"cannot be read \(No such file or directory\)"),
    ],
)
def test_a_file_is_checked(tmp_path: Path, content: bytes | None, message: str | None) -> None:
    path = tmp_path / "horse2zebra.zip"
    if content is not None:
        path.write_bytes(content)
    archive = Archive("http://elsewhere/a.zip", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    if message is None:
        downloads.check(archive, path)
        return
    with pytest.raises(UserError, match=message) as refusal:
        downloads.check(archive, path)
    assert str(path) in str(refusal.value)
