"""TensorBoard's files on a disk that takes no more."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cyclegan_jax.training.event_files import summary_writer


def test_events_are_read_back_without_purged_steps(tmp_path: Path) -> None:
    first, files = summary_writer(tmp_path / "logs", 1)
    for step in (1, 2, 3):
        first.add_scalar("loss", step * 1.0, step)
    first.close()
    files.raise_error()
    second, _ = summary_writer(tmp_path / "logs", 2)
    second.add_scalar("loss", 20.0, 2)
    second.close()
    events = EventAccumulator(str(tmp_path / "logs")).Reload().Scalars("loss")
    assert [(event.step, event.value) for event in events][-1] == (2, 20.0)


def descriptor_of(file: Path) -> int:
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if link.readlink() == file:
                return int(link.name)
    raise AssertionError(f"{file} is not open")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and /proc exist only on Linux")
def test_a_failed_write_is_reported_and_blocks_nothing(tmp_path: Path) -> None:
    # The writer has written its first event already; the file is on a full disk from here on.
    writer, files = summary_writer(tmp_path / "logs", 1)
    (log_file,) = (tmp_path / "logs").iterdir()
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor_of(log_file))
    os.close(full)

    def log() -> None:
        # Ten events fill the queue of tensorboardX.
        for step in range(100):
            writer.add_scalar("loss", 1.0, step)
        writer.close()

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    with pytest.raises(OSError, match="No space left"):
        files.raise_error()


def test_writing_does_not_import_pytorch(tmp_path: Path) -> None:
    code = (
        "import sys, numpy\n"
        "from pathlib import Path\n"
        "from cyclegan_jax.training.event_files import summary_writer\n"
        "writer, files = summary_writer(Path(sys.argv[1]), 0)\n"
        "writer.add_scalar('loss', 1.0, 1)\n"
        "writer.add_image('samples', numpy.zeros((4, 4, 3), numpy.uint8), 1, dataformats='HWC')\n"
        "writer.close()\n"
        "files.raise_error()\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "logs")], check=True)
    loaded = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert (len(loaded.Scalars("loss")), len(loaded.Images("samples"))) == (1, 1)
