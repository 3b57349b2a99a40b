"""Lines for people: on terminals of any encoding, and with file names that no encoding holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cyclegan_jax.console import one_line, timed_bar

ROOT = Path(__file__).parents[1]


def said(program: str, encoding: str) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)


def test_control_characters_of_a_name_are_escaped() -> None:
    assert one_line("the image a\nb\x1b[31m\t.png ü") == r"the image a\nb\x1b[31m\t.png ü"


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", rb"\xe9 \udcff"), ("utf-8", "é ".encode() + rb"\udcff")])
def test_the_log_escapes_what_the_terminal_lacks(encoding: str, expected: bytes) -> None:
    program = r"""
import cyclegan_jax, logging
cyclegan_jax.show_log()
logging.getLogger("cyclegan_jax.data").warning("skipped: the image é \udcff.png")
"""
    ended = said(program, encoding)
    assert (ended.stdout, ended.stderr) == (b"skipped: the image " + expected + b".png\n", b"")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_commands_escape_what_the_terminal_lacks(encoding: str) -> None:
    program = r"""
from cyclegan_jax.cli.main import main
from cyclegan_jax.cli import configs, main as module
configs._table = lambda known: "é \udcff"
print(main(["configs"]), main(["configs", "\udcff\n", "--out", "no.txt"]))
"""
    ended = said(program, encoding)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith(rb"\udcff" + b"\n0 2\n")
    assert ended.stderr.startswith(rb"error: there is no config of the name \udcff\n: choose one of ")
    assert ended.stderr.count(b"\n") == 1


def test_a_bar_says_the_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([100.0, 110.0, 170.0, 180.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    draw = timed_bar("tiles")
    for done in (1, 2, 8, 9):
        draw(done, 9)
    _, *lines = capsys.readouterr().err.split("\r")
    assert [line.rstrip() for line in lines] == [
        "[###                           ] 1/9 tiles",
        "[#######                       ] 2/9 tiles, 1m10s left",
        "[###########################   ] 8/9 tiles, 10s left",
        "[##############################] 9/9 tiles",
    ]
    assert lines[-1].endswith("\n")
    assert {len(line.rstrip("\n")) for line in lines} == {79}
