"""A line at the bottom of a terminal that says what a command is doing, with a moving clock; the log stays above it.

Where standard error is no terminal nothing is drawn: there the log alone says what happens.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tqdm import tqdm

_REDRAW_SECONDS: Final = 0.5

_text: Callable[[], str] | None = None
"""Returns the line of the innermost `showing` block."""


@contextlib.contextmanager
def drawn() -> Iterator[None]:
    """Inside the block, draw the line on standard error, if it is a terminal, and redraw it twice a second."""
    if not sys.stderr.isatty():
        yield
        return
    from tqdm import tqdm

    # tqdm cuts the line at the terminal's width, and erases it around what is printed above.
    bar = tqdm(bar_format="{desc}", dynamic_ncols=True, leave=False, file=sys.stderr)
    end = threading.Event()
    thread = threading.Thread(target=_redraw, args=(bar, end), daemon=True, name="live")
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        bar.close()


def _redraw(bar: "tqdm", end: threading.Event) -> None:
    while True:
        bar.set_description_str("" if _text is None else _text())
        if end.wait(_REDRAW_SECONDS):
            return


@contextlib.contextmanager
def showing(text: str | Callable[[], str]) -> Iterator[None]:
    """Inside the block, the line is `text`: a function that returns it, or words that get the block's seconds."""
    global _text
    begin = time.monotonic()
    before, _text = _text, text if callable(text) else lambda: f"{text}, {int(time.monotonic() - begin)}s"
    try:
        yield
    finally:
        _text = before


@contextlib.contextmanager
def above() -> Iterator[None]:
    """Erase the line while the block prints, and draw it again below."""
    if "tqdm" not in sys.modules:  # importing it takes longer than printing a line
        yield
        return
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        yield
