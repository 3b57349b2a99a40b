"""Downloads of archives whose size and checksum are known: resumed where they broke off, never half there.

Plain `urllib`: it honours the proxies of the environment, fails within seconds where there is no network, and can go on
with what is there. The download manager of TFDS retries for minutes, waits without limit, and starts over.
"""

import contextlib
import hashlib
import http.client
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A file as it was published.

    Attributes:
        url: where.
        size: in bytes.
        sha256: of its content, in hexadecimal digits.
    """

    url: str
    size: int
    sha256: str


def check(archive: Archive, path: Path) -> None:
    """See that a file is the archive, by its size and checksum.

    Raises:
        UserError: it is another file, or a damaged one, or cannot be read.
    """
    try:
        wrong = _wrong(archive, path)
    except OSError as error:
        raise UserError(
            f"the archive {path} cannot be read ({error.strerror}): check it and its permissions"
        ) from error
    if wrong:
        raise UserError(
            f"the archive {path} is not the one that was published at {archive.url}: it {wrong}; delete it, or put a "
            "whole copy there"
        )


def fetch(archive: Archive, path: Path, by_hand: Path, timeout: float = 5.0) -> None:
    """Download an archive to `path`, telling the progress on standard error.

    What has arrived is kept in `path` + `.partial` until it is whole and has the right checksum; after a break, the
    rest is asked for, now or by the next call. Of processes on one machine only one downloads into a folder at a time.

    Args:
        archive: what to download.
        path: where to keep it.
        by_hand: where users are told to put the file if it cannot be downloaded.
        timeout: seconds to wait for a connection, and for each next part of the content.

    Raises:
        UserError: it cannot be reached, is not what was published, or cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(path.parent):
            if path.exists():  # another process was faster
                return
            _LOG.info(f"Downloading {archive.url} ({archive.size / 1e6:.0f} MB) to {path}")
            try:
                with partial.open("ab") as file:
                    _complete(archive, file, by_hand, timeout)
            finally:
                if not partial.stat().st_size:
                    partial.unlink()
            wrong = _wrong(archive, partial)
            if wrong:
                partial.unlink()  # to go on from it would never succeed
                raise UserError(
                    f"{archive.url} is not the archive that was published there: it {wrong}; put a whole copy at "
                    f"{by_hand}"
                )
            partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another data_dir") from error


def answers(url: str, timeout: float = 5.0) -> bool:
    """Whether a server answers at all under this URL, be it with an error."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except (OSError, http.client.HTTPException):
        return False


def _wrong(archive: Archive, path: Path) -> str:
    """How a file differs from the archive; empty where it does not."""
    size = path.stat().st_size
    if size != archive.size:
        return f"has {size} bytes in place of {archive.size}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"has the sha256 {digest} in place of {archive.sha256}" if digest != archive.sha256 else ""


def _complete(archive: Archive, file: IO[bytes], by_hand: Path, timeout: float) -> None:
    """Receive what `file` lacks, connecting again as long as that gets further."""
    if file.tell() > archive.size:
        _empty(file)
    said = 0

    def progress() -> None:
        nonlocal said
        tenth = 10 * file.tell() // archive.size
        if tenth > said:
            said = tenth
            _LOG.info(f"  {10 * tenth} % of {archive.size / 1e6:.0f} MB")

    while (begun := file.tell()) < archive.size:
        reason = _receive(archive, file, timeout, progress)
        if file.tell() <= begun:
            raise UserError(
                f"{archive.url} cannot be downloaded ({reason}): run this again where there is a network, or put that "
                f"file at {by_hand}"
            )


def _receive(archive: Archive, file: IO[bytes], timeout: float, progress: Callable[[], None]) -> str:
    """One connection: append what it gives to `file`, and say why it ended."""
    begun = file.tell()
    headers = {"User-Agent": "cyclegan-jax"} | ({"Range": f"bytes={begun}-"} if begun else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(archive.url, headers=headers), timeout=timeout)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                _empty(file)
        return _reason(error)
    with contextlib.closing(response):
        if begun and not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
            _empty(file)  # a server without ranges sends the whole
        length = response.headers.get("Content-Length")
        if length is not None and file.tell() + int(length) != archive.size:
            return f"the server has {file.tell() + int(length)} bytes in place of {archive.size}"
        while file.tell() < archive.size:
            try:
                block = response.read1(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                return _reason(error)
            if not block:
                break
            file.write(block)
            progress()
    return "the connection was closed early"


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here for this folder; where a system has no such locks, do not wait."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
