"""Fetch one file over the network: it fails fast without one, and goes on where it was stopped."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cyclegan_jax.errors import UserError

_TIMEOUT_SECONDS: Final = 10.0
_EVERY_SECONDS: Final = 10.0
_CHUNK: Final = 2**20


def fetch(url: str, target: Path, size: int, *, by_hand: Path, say: Callable[[str], None] = print) -> Path:
    """Download a file; until it is whole it is kept as `<name>.partial`, from where another call goes on.

    TFDS's own downloads try for minutes where there is no network.

    Args:
        url: of http or https.
        target: where the file goes.
        size: in bytes.
        by_hand: where the user may put the file instead, for messages.
        say: where progress goes.

    Returns:
        `target`.

    Raises:
        UserError: the server cannot be reached or does not send the whole file.
        OSError: the file cannot be written.
    """
    partial = target.with_name(f"{target.name}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    have = partial.stat().st_size if partial.exists() else 0
    if have > size:
        partial.unlink()
        have = 0
    if have < size:
        _download(url, partial, have, size, f"put it at {by_hand} by hand, or run again with a network", say)
    partial.replace(target)
    return target


def _download(url: str, partial: Path, have: int, size: int, otherwise: str, say: Callable[[str], None]) -> None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(f"{url} cannot be downloaded ({reason}): {otherwise}") from error
    with response:
        if have and response.status != 206:  # The server does not send parts.
            have = 0
        say(f"downloading {url} ({size / 1e6:,.0f} MB)" + (f", from {have / 1e6:,.0f} MB on" if have else ""))
        with partial.open("ab" if have else "wb") as file:
            told = time.monotonic()
            while chunk := _read(response):
                file.write(chunk)
                have += len(chunk)
                if time.monotonic() - told > _EVERY_SECONDS:
                    told = time.monotonic()
                    say(f"  {have / 1e6:,.0f} of {size / 1e6:,.0f} MB")
    if have < size:
        raise UserError(f"the download of {url} stopped after {have:,} of {size:,} bytes: run again to go on")


def _read(response: http.client.HTTPResponse) -> bytes:
    """The next piece; nothing where the connection ends, early or not."""
    try:
        return response.read1(_CHUNK)
    except (http.client.HTTPException, OSError):
        return b""
