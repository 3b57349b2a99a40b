"""The exit statuses and messages of the entry points."""

import signal
from pathlib import Path

import pytest

from cyclegan_jax import files
from cyclegan_jax.cli import exit_status
from cyclegan_jax.cli import main as cli
from cyclegan_jax.devices.supervision import PeerLostError
from cyclegan_jax.errors import UserError
from cyclegan_jax.training.interruption import StoppedError


def test_evaluate_of_a_folder_that_is_no_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["evaluate", "--run", str(tmp_path)]) == 2
    assert "has no checkpoints: give the work directory of a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UserError("a sentence"), exit_status.MISTAKE, "error: a sentence"),
        (PeerLostError("a reason"), exit_status.PEER_LOST, "error: another process of this run has ended"),
        (StoppedError(signal.SIGTERM, 7), 143, "stopped by SIGTERM after step 7, which is saved; the same command"),
        (StoppedError(signal.SIGINT, 7), 130, "stopped by SIGINT after step 7, which is saved; the same command"),
        (KeyboardInterrupt(), exit_status.INTERRUPTED, "stopped"),
    ],
)
def test_errors_become_statuses_and_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, message: str
) -> None:
    def fail() -> int:
        raise error

    assert cli._run(fail) == status
    printed = capsys.readouterr().err
    assert printed.startswith(message)
    assert printed.count("\n") == 1


def test_sigterm_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A scheduler ends a process by it. The control is SIGTERM's own way to end one: without a chance to clean up."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, cli.ended_in_order(), files.replacing(tmp_path / "out.tif") as partial:
        partial.write_bytes(b"half")
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before
