"""The paper's sets by name, from tiny archives made here; only their checksums are put in TFDS's place."""

import hashlib
import http.server
import io
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data import images, sources, tfds_sets
from cyclegan_jax.errors import UserError

COUNTS = {"trainA": 4, "trainB": 3, "testA": 2, "testB": 2}


def nothing(line: str) -> None:
    pass


def jpeg(number: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def members(name: str) -> dict[str, bytes]:
    """As in the official archives: folders with entries of their own, files in no order."""
    files = {f"{name}/": b""}
    for offset, (split, count) in enumerate(COUNTS.items()):
        files[f"{name}/{split}/"] = b""
        for index in reversed(range(count)):
            files[f"{name}/{split}/n{index:05d}.jpg"] = jpeg(100 * offset + index)
    return files


def archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return stream.getvalue()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Make TFDS know an archive; without a URL, one where nobody answers."""

    def make_known(content: bytes, url: str = "http://127.0.0.1:9/nobody.zip") -> bytes:
        entry = (url, len(content), hashlib.sha256(content).hexdigest())
        monkeypatch.setattr(tfds_sets, "known_archive", lambda name: entry)
        return content

    return make_known


def test_tfds_knows_every_archive() -> None:
    for name in tfds_sets.NAMES:
        url, size, checksum = tfds_sets.known_archive(name)
        assert url.startswith("https://") and url.endswith(f"/{name}.zip")
        assert size > 10_000_000
        assert len(checksum) == 64


@pytest.mark.parametrize("name", tfds_sets.NAMES)
def test_every_set_is_prepared_from_its_archive(tmp_path: Path, known: Callable[..., bytes], name: str) -> None:
    files = members(name)
    (tmp_path / f"{name}.zip").write_bytes(known(archive(files)))
    config = DataConfig(source="tfds", name=name, dir=str(tmp_path))
    opened = sources.open_sources(config, say=nothing)
    splits = {"trainA": opened.train_A, "trainB": opened.train_B, "testA": opened.test_A, "testB": opened.test_B}
    assert {split: len(source) for split, source in splits.items()} == COUNTS
    for split, source in splits.items():
        for index in range(len(source)):
            example = source[index]
            assert example.name == f"n{index:05d}.jpg"
            assert example.encoded == files[f"{name}/{split}/{example.name}"], "the file as it is, not encoded again"
    assert sources.paired(opened.test_A, opened.test_B) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("place", ["{name}.zip", "downloads/{name}.zip", "downloads/manual/{name}.zip"])
def test_an_archive_on_disk_is_taken(tmp_path: Path, known: Callable[..., bytes], place: str) -> None:
    path = tmp_path / place.format(name="maps")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(known(archive(members("maps"))))
    said: list[str] = []
    assert len(tfds_sets.open_tfds("cycle_gan/maps", str(tmp_path), say=said.append)["trainA"]) == 4
    assert said == [f"preparing maps in {tmp_path} (once)"]
    path.unlink()
    begin = time.perf_counter()
    opened = tfds_sets.open_tfds("maps", str(tmp_path), say=said.append)
    assert time.perf_counter() - begin < 1
    assert len(said) == 1
    assert images.decode(opened["testB"][1]["image"], 3, "").shape == (24, 32, 3)


def test_without_archive_and_network_it_fails_fast_and_says_what_to_do(
    tmp_path: Path, known: Callable[..., bytes]
) -> None:
    known(b"any")
    begin = time.perf_counter()
    with pytest.raises(
        UserError, match=r"http://127.* cannot be downloaded \(.*refused\): put it at .*/facades\.zip by"
    ):
        tfds_sets.open_tfds("facades", str(tmp_path), say=nothing)
    assert time.perf_counter() - begin < 5
    assert not (tmp_path / "cycle_gan_files").exists()


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one content, in parts where they are asked for; at first it may stop half way."""

    content = b""
    stop_after: int | None = None
    takes_ranges = True
    asked: ClassVar[list[str | None]]

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.takes_ranges else 0
        rest = self.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        stop, type(self).stop_after = self.stop_after, None
        self.wfile.write(rest[:stop])

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server(known: Callable[..., bytes]) -> Iterator[tuple[type[Server], str]]:
    class Handler(Server):
        asked: ClassVar[list[str | None]] = []

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_port}/set.zip"
        Handler.content = known(archive(members("maps")), url)
        yield Handler, url
        running.shutdown()


def test_an_archive_is_downloaded(tmp_path: Path, server: tuple[type[Server], str]) -> None:
    said: list[str] = []
    opened = tfds_sets.open_tfds("maps", str(tmp_path), say=said.append)
    assert {split: len(source) for split, source in opened.items()} == COUNTS
    assert said[0].startswith(f"downloading {server[1]} (0 MB)")
    assert (tmp_path / "downloads" / "maps.zip").read_bytes() == server[0].content
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("takes_ranges", [True, False])
def test_a_download_that_stops_goes_on(tmp_path: Path, server: tuple[type[Server], str], takes_ranges: bool) -> None:
    handler, _ = server
    handler.stop_after, handler.takes_ranges = 1000, takes_ranges
    with pytest.raises(UserError, match=r"stopped after 1,000 of [\d,]+ bytes: run again to go on"):
        tfds_sets.open_tfds("maps", str(tmp_path), say=nothing)
    assert not (tmp_path / "downloads" / "maps.zip").exists()
    assert len(tfds_sets.open_tfds("maps", str(tmp_path), say=nothing)["trainA"]) == 4
    assert handler.asked == [None, "bytes=1000-"]


def other_bytes(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (other_bytes, r"maps\.zip is not the archive that TFDS knows \(its content is another\): delete it"),
        (lambda content: content[:-1], r"\(it has [\d,]+ bytes in place of [\d,]+\): delete it, and download it again"),
    ],
)
def test_another_archive_is_refused(
    tmp_path: Path, known: Callable[..., bytes], harm: Callable[[bytes], bytes], said: str
) -> None:
    (tmp_path / "maps.zip").write_bytes(harm(known(archive(members("maps")))))
    with pytest.raises(UserError, match=said):
        tfds_sets.open_tfds("maps", str(tmp_path), say=nothing)


def test_an_archive_without_a_split_or_that_is_none_is_named(tmp_path: Path, known: Callable[..., bytes]) -> None:
    files = {name: data for name, data in members("maps").items() if "/testB/" not in name}
    (tmp_path / "maps.zip").write_bytes(known(archive(files)))
    with pytest.raises(UserError, match=r"maps\.zip holds no folder testB"):
        tfds_sets.open_tfds("maps", str(tmp_path), say=nothing)
    (tmp_path / "maps.zip").write_bytes(known(b"no archive"))
    with pytest.raises(UserError, match=r"maps\.zip is damaged \(File is not a zip file\): delete it"):
        tfds_sets.open_tfds("maps", str(tmp_path), say=nothing)
    assert not list((tmp_path / "cycle_gan_files" / "maps").glob("1*")), "nothing that looks prepared"


def test_a_damaged_set_is_named(tmp_path: Path, known: Callable[..., bytes]) -> None:
    (tmp_path / "maps.zip").write_bytes(known(archive(members("maps"))))
    tfds_sets.open_tfds("maps", str(tmp_path), say=nothing)
    for record in tmp_path.rglob("*array_record*"):
        record.write_bytes(record.read_bytes()[:100])
    with pytest.raises(UserError, match=r"cycle_gan_files/maps/1\.0\.0 is damaged: delete that folder"):
        tfds_sets.open_tfds("maps", str(tmp_path), say=nothing)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, known: Callable[..., bytes]) -> None:
    (tmp_path / "maps.zip").write_bytes(known(archive(members("maps"))))
    (tmp_path / "cycle_gan_files").write_text("a file where the folder goes")
    with pytest.raises(UserError, match=r"maps cannot be kept in .*: name another folder by --data\.dir="):
        tfds_sets.open_tfds("maps", str(tmp_path), say=nothing)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("horse2zebras", "none of the paper's sets: did you mean horse2zebra"),
        ("cats", "They are apple2orange, "),
        ("cityscapes", "had to remove cityscapes for its licence: download the official archives"),
        ("cycle_gan/cityscapes", "licence"),
    ],
)
def test_unknown_names(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tfds_sets.open_tfds(name, str(tmp_path))


def test_tensorflow_is_not_needed(tmp_path: Path, known: Callable[..., bytes]) -> None:
    content = known(archive(members("maps")))
    (tmp_path / "maps.zip").write_bytes(content)
    code = f"""
import sys
from cyclegan_jax.data import tfds_sets
tfds_sets.known_archive = lambda name: ("", {len(content)}, {hashlib.sha256(content).hexdigest()!r})
print({{split: len(source) for split, source in tfds_sets.open_tfds("maps", {str(tmp_path)!r}).items()}})
print("tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"preparing maps in {tmp_path} (once)", str(COUNTS), "False"], done.stderr
    assert done.stderr == ""
