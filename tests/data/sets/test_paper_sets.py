"""The paper's data sets, from small archives of the same layout."""

import functools
import hashlib
import http.server
import io
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from cyclegan_jax.data.sets import paper_sets
from cyclegan_jax.data.sets.downloads import Archive
from cyclegan_jax.errors import UserError
from tests.helpers.examples import by_split, counts

FOLDER = "cyclegan_jax/horse2zebra/1.0.0"
COUNTS = {"trainA": 4, "trainB": 3, "testA": 2, "testB": 1}
URL = "http://127.0.0.1:9/horse2zebra.zip"


@functools.cache
def jpeg(seed: int) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 10, 3), np.uint8)).save(encoded, "JPEG")
    return encoded.getvalue()


def pictures() -> dict[str, bytes]:
    """Members of an archive, not in their order."""
    return {
        f"horse2zebra/{split}/n{100 - index}_{index}.jpg": jpeg(10 * place + index)
        for place, (split, count) in enumerate(COUNTS.items())
        for index in range(count)
    }


def pack(path: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, url: str = URL) -> None:
    """Write a zip file, and let its checksum be the one that is asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    publish(path, monkeypatch, url)


def publish(path: Path, monkeypatch: pytest.MonkeyPatch, url: str = URL) -> None:
    content = path.read_bytes()
    archive = Archive(url, len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(paper_sets, "archive_of", lambda name: archive)


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pack(tmp_path / "horse2zebra.zip", pictures(), monkeypatch)
    return tmp_path


def test_the_names_are_those_of_tfds_with_archives() -> None:
    assert set(paper_sets.NAMES) == set(tfds.builder_cls("cycle_gan").builder_configs)
    for name in paper_sets.NAMES:
        archive = paper_sets.archive_of(name)
        assert archive.url.endswith(f"/{name}.zip")
        assert archive.size > 30_000_000
        assert len(archive.sha256 or "") == 64
    assert paper_sets.archive_of("horse2zebra").size == 116867962


def test_splits_hold_the_files_unchanged_sorted_by_name(
    packed: Path, log_lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    opened = paper_sets.open_paper_set("horse2zebra", str(packed))
    assert counts(opened) == COUNTS
    for split, examples in by_split(opened).items():
        members = {Path(name).name: content for name, content in pictures().items() if f"/{split}/" in name}
        assert [one.name for one in examples] == sorted(members)
        assert [one.encoded for one in examples] == [members[name] for name in sorted(members)]
    assert list(opened.train_A.names()) == [one.name for one in by_split(opened)["trainA"]]
    assert log_lines == [f"preparing horse2zebra from {packed / 'horse2zebra.zip'} in {packed / FOLDER} (once)"]
    assert capfd.readouterr() == ("", "")
    assert (packed / FOLDER / "dataset_info.json").is_file()


def test_the_second_call_opens_a_prepared_set_at_once(
    packed: Path, log_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paper_sets.open_paper_set("horse2zebra", str(packed))
    (packed / "horse2zebra.zip").unlink()
    monkeypatch.setattr(paper_sets, "archive_of", None)
    log_lines.clear()
    before = time.monotonic()
    opened = paper_sets.open_paper_set("cycle_gan/horse2zebra", str(packed))
    assert time.monotonic() - before < 0.5
    assert len(opened.train_A) == 4
    assert not log_lines


@pytest.mark.parametrize("place", ["downloads/manual", "downloads"])
def test_the_archive_may_lie_where_tfds_has_it(packed: Path, place: str) -> None:
    (packed / place).mkdir(parents=True)
    (packed / "horse2zebra.zip").rename(packed / place / "horse2zebra.zip")
    assert len(paper_sets.open_paper_set("horse2zebra", str(packed)).test_B) == 1


def test_the_images_of_a_pair_have_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [(split, f"{index}_{split[-1]}.jpg") for split in COUNTS for index in (10, 9)]
    pack(tmp_path / "maps.zip", {f"maps/{split}/{name}": jpeg(0) for split, name in names}, monkeypatch)
    opened = paper_sets.open_paper_set("maps", str(tmp_path))
    assert {tuple(one.name for one in examples) for examples in by_split(opened).values()} == {("10.jpg", "9.jpg")}


def test_other_files_of_an_archive_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = ("horse2zebra/trainA/notes.txt", "__MACOSX/horse2zebra/trainA/._n1.jpg", "horse2zebra/trainA/.n1.jpg")
    members = pictures() | dict.fromkeys(others, b"") | {"horse2zebra/trainC/a.jpg": b""}
    pack(tmp_path / "horse2zebra.zip", members, monkeypatch)
    assert counts(paper_sets.open_paper_set("horse2zebra", str(tmp_path))) == COUNTS


def test_a_data_set_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/horse2zebra.zip"
        pack(tmp_path / "web" / "horse2zebra.zip", pictures(), monkeypatch, url)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        opened = paper_sets.open_paper_set("horse2zebra", str(tmp_path / "sets"))
        server.shutdown()
        thread.join()
    assert counts(opened) == COUNTS
    kept = tmp_path / "sets" / "downloads" / "horse2zebra.zip"
    assert kept.read_bytes() == (tmp_path / "web" / "horse2zebra.zip").read_bytes()
    assert f"downloading {url} (0 MB) to {kept}" in log_lines


def test_neither_network_nor_archive_fails_at_once(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/horse2zebra.zip"
    publish(packed / "horse2zebra.zip", monkeypatch, url)
    before = time.monotonic()
    with pytest.raises(UserError) as refusal:
        paper_sets.open_paper_set("horse2zebra", str(packed / "sets"))
    assert time.monotonic() - before < 5
    assert f"{url} cannot be downloaded" in str(refusal.value)
    assert str(packed / "sets" / "downloads" / "manual" / "horse2zebra.zip") in str(refusal.value)


@pytest.mark.parametrize("damage", ["half", "other"])
def test_a_damaged_archive_is_refused_by_its_path(packed: Path, damage: str) -> None:
    path = packed / "horse2zebra.zip"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "half" else content[:-1] + b"!")
    message = "bytes instead of" if damage == "half" else "has the sha256"
    with pytest.raises(UserError, match=rf"the archive {path} is not the one published at {URL}: .*{message}"):
        paper_sets.open_paper_set("horse2zebra", str(packed))
    assert not (packed / "cyclegan_jax").exists()


def test_an_archive_that_is_no_zip_file_is_refused(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed / "horse2zebra.zip"
    path.write_bytes(b"<html></html>")
    publish(path, monkeypatch)
    with pytest.raises(UserError, match=rf"the archive {path} is damaged \(File is not a zip file\)"):
        paper_sets.open_paper_set("horse2zebra", str(packed))


def test_an_archive_with_a_damaged_member_is_refused(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed / "horse2zebra.zip"
    content = path.read_bytes()
    at = content.index(jpeg(2)) + 100
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    publish(path, monkeypatch)
    with pytest.raises(UserError, match=rf"the archive {path} is damaged \(Bad CRC-32 .*n98_2\.jpg"):
        paper_sets.open_paper_set("horse2zebra", str(packed))
    assert not (packed / FOLDER).exists()


@pytest.mark.parametrize("split", list(COUNTS))
def test_an_archive_without_a_split_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    members = {name: content for name, content in pictures().items() if f"/{split}/" not in name}
    pack(tmp_path / "horse2zebra.zip", members, monkeypatch)
    with pytest.raises(UserError, match=rf"horse2zebra\.zip holds no images in a folder {split}: "):
        paper_sets.open_paper_set("horse2zebra", str(tmp_path))


def test_a_directory_that_cannot_be_written_to_is_refused(packed: Path) -> None:
    (packed / "cyclegan_jax").write_text("in the way")
    with pytest.raises(UserError, match=rf"horse2zebra cannot be stored in data_dir '{packed}' \(.*\): give another$"):
        paper_sets.open_paper_set("horse2zebra", str(packed))


@pytest.mark.parametrize("damage", ["missing shard", "half a shard", "no description"])
def test_a_damaged_data_set_is_refused(packed: Path, damage: str) -> None:
    paper_sets.open_paper_set("horse2zebra", str(packed))
    (shard,) = (packed / FOLDER).glob("*testA*")
    if damage == "missing shard":
        shard.unlink()
    elif damage == "half a shard":
        shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    else:
        (packed / FOLDER / "dataset_info.json").unlink()
    with pytest.raises(UserError, match=f"{FOLDER} is damaged: delete that folder to prepare it again$"):
        paper_sets.open_paper_set("horse2zebra", str(packed))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "horse2zebr",
            r"no data set 'horse2zebr' of the paper: did you mean horse2zebra\? the names are apple2orange, ",
        ),
        ("cifar10", r"no data set 'cifar10' of the paper: the names are apple2orange, .*, iphone2dslr_flower$"),
        ("cityscapes", r"get the official archives and use --data\.source=cityscapes$"),
        ("cycle_gan/cityscapes", r"use --data\.source=cityscapes$"),
    ],
)
def test_an_unknown_name_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        paper_sets.open_paper_set(name, str(tmp_path))


KILLED = """
import hashlib, os, signal, sys
from pathlib import Path
from cyclegan_jax.data.sets import archives, downloads, paper_sets
content = Path(sys.argv[1], "horse2zebra.zip").read_bytes()
archive = downloads.Archive("http://nowhere", len(content), hashlib.sha256(content).hexdigest())
paper_sets.archive_of = lambda name: archive
read = archives.read
def die(archive, member):
    if len(sys.argv) > 2 and "trainB" in member:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(archive, member)
archives.read = die
opened = paper_sets.open_paper_set("horse2zebra", sys.argv[1])
print([len(split) for split in (opened.train_A, opened.train_B, opened.test_A, opened.test_B)])
print("tensorflow" in sys.modules)
"""


def test_a_killed_preparation_leaves_no_finished_set(packed: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-c", KILLED, str(packed), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    killed = run("die")
    assert killed.returncode == -9, killed.stderr
    assert list((packed / FOLDER).parent.glob("incomplete.*")), "it was killed too early to show anything"
    assert not (packed / FOLDER).exists()
    again = run()
    assert again.stdout.splitlines() == [str(list(COUNTS.values())), "False"], again.stderr
