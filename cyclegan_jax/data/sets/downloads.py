"""Downloads of published files, which are checked, resume after a break, and are never half there.

They use plain `urllib`: it respects the proxies of the environment, fails within seconds without a network, and can
resume. The download manager of TFDS retries for minutes, waits without limit, and starts from the beginning each time.
"""

import contextlib
import glob
import hashlib
import http.client
import logging
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from cyclegan_jax import files
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A published file.

    Attributes:
        url: its address.
        size: in bytes.
        sha256: checksum of its content, in hexadecimal digits; None if it is not published.
        version: where there is no checksum, what the server calls its content (see `ask`): bytes of two versions are
            never joined. Empty if the server has no word for it.
        starts: what the content begins with: one of these; empty if that is not known.
    """

    url: str
    size: int
    sha256: str | None
    version: str = ""
    starts: tuple[bytes, ...] = ()


def check(archive: Archive, path: Path) -> None:
    """Check the size and checksum of a file.

    Raises:
        UserError: the file is not the archive, is damaged, or cannot be read.
    """
    try:
        wrong = _wrong(archive, path)
    except OSError as error:
        raise UserError(
            f"the archive {path} cannot be read ({error.strerror}): check it and its permissions"
        ) from error
    if wrong:
        raise UserError(
            f"the archive {path} is not the one published at {archive.url}: it {wrong}; delete it, or put a complete "
            "copy there"
        )


def ask(url: str, by_hand: Path | str, timeout: float = 5.0) -> Archive:
    """Ask the server about a file whose size and checksum are published nowhere; arguments as for `fetch`.

    Raises:
        UserError: the server does not answer, has no such file, or does not state its size.
    """
    headers = {"User-Agent": "cyclegan-jax", "Accept-Encoding": "identity"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="HEAD"), timeout=timeout) as it:
            stated = it.headers
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise _unreachable(url, _reason(error), by_hand) from error
    size = stated.get("Content-Length", "")
    if not size.isdecimal():
        raise _unreachable(url, "the server does not state its size", by_hand)
    return Archive(url, int(size), None, stated.get("ETag") or stated.get("Last-Modified") or "")


def fetch(
    archive: Archive, path: Path, by_hand: Path | str, timeout: float = 5.0, folder_name: str = "data_dir"
) -> None:
    """Download an archive to `path` and log the progress.

    Received bytes are kept beside `path`, in a file `*.partial`, until they are complete and right. After a broken
    connection, this call or the next one requests the rest. On one machine, only one process at a time downloads into a
    folder.

    Args:
        archive: what to download.
        path: where to store it.
        by_hand: where the error message asks the user to put the file if it cannot be downloaded.
        timeout: seconds to wait for a connection, and for each further part of the content.
        folder_name: what the user knows the folder of `path` by, for the error message.

    Raises:
        UserError: the archive cannot be downloaded, is not the published one, or cannot be written.
    """
    partial = path.with_name(_partial_name(archive, path.name))
    try:
        files.make_folder(path.parent)
        with files.alone_in(path.parent):
            if files.exists(path):  # another process downloaded it while this one waited
                return
            _delete_unusable(archive, path, partial)
            _LOG.info(f"downloading {archive.url} ({archive.size / 1e6:.0f} MB) to {path}")
            resumed = files.is_file(partial)
            wrong = _download(archive, partial, by_hand, timeout)
            if wrong and resumed:
                # A power failure can leave zeros where bytes had been received before.
                _LOG.info(f"the part of {archive.url} that was received earlier is damaged: downloading all of it")
                wrong = _download(archive, partial, by_hand, timeout)
            if wrong:
                raise UserError(
                    f"{archive.url} is not the file that was published there: it {wrong}; put a complete copy at "
                    f"{by_hand}"
                )
            files.commit(partial, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): give another {folder_name}") from error


def answers(url: str, timeout: float = 5.0) -> bool:
    """Return whether a server answers a request for this URL, be it with an HTTP error."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except (OSError, http.client.HTTPException):
        return False


def _wrong(archive: Archive, path: Path) -> str:
    """Describe how a file differs from the archive; empty if it is the same."""
    size = path.stat().st_size
    if size != archive.size:
        return f"has {size} bytes instead of {archive.size}"
    with path.open("rb") as file:
        begun = file.read(16)
        if archive.starts and not begun.startswith(archive.starts):
            return f"is of another kind, as it begins with {begun!r}"
        if archive.sha256 is None:
            return ""
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"has the sha256 {digest} instead of {archive.sha256}" if digest != archive.sha256 else ""


def _partial_name(archive: Archive, name: str) -> str:
    """The name of the file of received bytes; it tells versions apart where no checksum does."""
    version = f".{zlib.crc32(f'{archive.size} {archive.version}'.encode()):08x}" if archive.sha256 is None else ""
    return f"{name}{version}.partial"


def _delete_unusable(archive: Archive, path: Path, partial: Path) -> None:
    """Delete the bytes of earlier downloads that cannot be completed: nothing proves that the rest belongs to them."""
    if archive.sha256 is None:
        for other in path.parent.glob(f"{glob.escape(path.name)}.????????.partial"):
            if other != partial or not archive.version:
                other.unlink()


def _download(archive: Archive, partial: Path, by_hand: Path | str, timeout: float) -> str:
    """Complete `partial`, and return how it differs from the archive; a file that differs is deleted."""
    try:
        with open(partial, "ab", opener=_appending) as file:
            _complete(archive, file, by_hand, timeout)
    finally:
        if (
            files.is_file(partial) and not partial.lstat().st_size
        ):  # an empty file saves nothing and would only look odd
            partial.unlink()
    wrong = _wrong(archive, partial)
    if wrong:
        partial.unlink()  # resuming from a wrong file would fail every time
    return wrong


def _complete(archive: Archive, file: IO[bytes], by_hand: Path | str, timeout: float) -> None:
    """Receive what `file` lacks, and connect again as long as each connection brings new bytes."""
    if file.tell() > archive.size:
        _empty(file)
    logged = 0

    def progress() -> None:
        nonlocal logged
        tenth = 10 * file.tell() // archive.size
        if tenth > logged:
            logged = tenth
            _LOG.info(f"  {10 * tenth} % of {archive.size / 1e6:.0f} MB")

    while (begun := file.tell()) < archive.size:
        reason = _receive(archive, file, timeout, progress)
        if file.tell() <= begun:
            raise _unreachable(archive.url, reason, by_hand)


def _receive(archive: Archive, file: IO[bytes], timeout: float, progress: Callable[[], None]) -> str:
    """Append the bytes of one connection to `file`, and return the reason why it ended."""
    begun = file.tell()
    headers = {"User-Agent": "cyclegan-jax"} | ({"Range": f"bytes={begun}-"} if begun else {})
    if begun and archive.version:
        headers["If-Range"] = archive.version  # of another version the server sends the whole
    try:
        response = urllib.request.urlopen(urllib.request.Request(archive.url, headers=headers), timeout=timeout)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                _empty(file)  # the next call then asks for the whole file
        return _reason(error)
    with contextlib.closing(response):
        if begun and not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
            _empty(file)  # a server without range requests sends the whole file
        # A wrong length, such as that of a login page, is noticed before a gigabyte is downloaded.
        length = response.headers.get("Content-Length")
        if length is not None and file.tell() + int(length) != archive.size:
            return f"the server has {file.tell() + int(length)} bytes instead of {archive.size}"
        while file.tell() < archive.size:
            try:
                # read() waits for a whole block, and drops what it has received when the connection breaks.
                block = response.read1(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                return _reason(error)
            if not block:
                break
            file.write(block)
            progress()
    return "the connection was closed early"


def _unreachable(url: str, reason: str, by_hand: Path | str) -> UserError:
    return UserError(
        f"{url} cannot be downloaded ({reason}): run this again with a network connection, or put that file at "
        f"{by_hand}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _appending(path: str, flags: int) -> int:
    """Open the file of received bytes for `open`: its name is known to all, and must not be a link to another file."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
