"""The line at the bottom of a terminal, drawn in a pseudo-terminal of 40 columns."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = """
import logging, time
from cyclegan_jax import console, live
with live.drawn(), console.shown_log():
    with live.showing("compiling the step"):
        time.sleep(1.6)
        console.LOGGER.info("a line of the log")
        with live.showing(lambda: "a line that is much wider than this narrow terminal is"):
            time.sleep(1.6)
print("end")
"""


def run_in_terminal(columns: int) -> str:
    """What a terminal of so many columns receives."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([sys.executable, "-W", "error", "-c", CODE], stdout=theirs, stderr=theirs, cwd=ROOT)
    os.close(theirs)
    received = b""
    try:
        while part := os.read(ours, 4096):
            received += part
    except OSError:  # Linux reports the end of a pseudo-terminal as an error
        pass
    os.close(ours)
    assert process.wait() == 0, received
    return received.decode()


def test_the_line_moves_and_the_log_stays_above_it() -> None:
    received = run_in_terminal(40)
    drawn = [part.strip() for part in received.replace("\n", "\r").split("\r") if part.strip()]
    drawn = [part.removeprefix("\x1b[A") for part in drawn]
    assert "compiling the step, 0s" in drawn
    assert "compiling the step, 1s" in drawn
    assert drawn.index("a line of the log") > drawn.index("compiling the step, 1s")
    assert all(len(part) <= 40 for part in drawn), drawn
    assert any(part.startswith("a line that is much wider") for part in drawn)
    # A line of the log begins on an erased line, and the last one is erased at the end.
    assert "\r" + " " * 22 + "\ra line of the log\r\n" in received
    assert drawn[-1] == "end"


def test_without_a_terminal_nothing_is_drawn() -> None:
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, check=True)
    assert (result.stdout, result.stderr) == ("a line of the log\nend\n", "")
