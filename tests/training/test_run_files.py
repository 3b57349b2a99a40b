"""The files of a run are open all together, or not at all."""

from pathlib import Path

import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.training.run_files import RunFiles
from tests.conftest import tiny_config


def open_below(folder: Path) -> set[str]:
    """The files below a folder that this process has open."""
    links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return {str(link.relative_to(folder)).split("/")[0] for link in links if link.is_relative_to(folder)}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists a process's open files")
def test_a_file_that_cannot_be_opened_closes_the_others(tmp_path: Path) -> None:
    with RunFiles(tmp_path / "good", tiny_config()):
        assert open_below(tmp_path / "good") >= {"tensorboard", "metrics.jsonl"}
    assert open_below(tmp_path) == set()
    for name in ("metrics.jsonl", "events.jsonl", "index.html", "wandb_id.txt"):
        workdir = tmp_path / f"bad {name}"
        (workdir / name).mkdir(parents=True)
        with pytest.raises(UserError, match=rf"bad.*{name}"):
            RunFiles(workdir, tiny_config(wandb="cyclegan"))
        assert (workdir / "tensorboard").exists()
        assert open_below(tmp_path) == set()
