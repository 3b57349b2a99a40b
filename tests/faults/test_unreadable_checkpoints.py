"""Checkpoints that the system does not let a process read: not damage, and no reason to start at step 0."""

from pathlib import Path

import pytest

from cyclegan_jax.checkpoints import folders, health
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.cli import main as cli
from cyclegan_jax.files import UnreadableError
from tests.faults.saved_runs import restored
from tests.helpers.users import not_the_superuser

# When one array cannot be read, Orbax closes its event loop, and TensorStore's other threads then fail to report to it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

REFUSED = (
    "",
    "8",
    "8/_CHECKPOINT_METADATA",
    "8/state",
    "8/state/manifest.ocdbt",
    "8/state/_METADATA",
    "8/state/ocdbt.process_0/d",
)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_permission_is_not_damage(run, name, capsys):
    refused = run / "checkpoints" / name
    if refused.name == "d":
        (refused,) = refused.iterdir()
    before = refused.stat().st_mode
    refused.chmod(0)
    sentence = (
        r"/checkpoints\S* cannot be read \(Permission denied\): check the permissions of it and of the folders above"
    )
    with not_the_superuser(run):
        for read in (lambda: restored(run), lambda: open_checkpoint(run).state(), lambda: health.examine(run)):
            with pytest.raises(UnreadableError, match=sentence) as caught:
                read()
            assert refused in (caught.value.path, *caught.value.path.parents)
    refused.chmod(before)
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["4", "8"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file whose first byte cannot be read")
@pytest.mark.parametrize(
    "name", ["_CHECKPOINT_METADATA", "state/manifest.ocdbt", "state/_METADATA", "state/ocdbt.process_0/d/*"]
)
def test_an_input_output_error_is_not_damage(run, name, capsys):
    """The kernel answers EIO to a read of address 0 of a process, as it does for a bad sector of a disk."""
    (file,) = (run / "checkpoints" / "8").glob(name)
    file.unlink()
    file.symlink_to("/proc/self/mem")
    for read in (lambda: restored(run), lambda: open_checkpoint(run).state()):
        with pytest.raises(UnreadableError, match=rf"{file} cannot be read \(Input/output error\)$"):
            read()
    assert folders.steps(run) == [4, 8]
    assert cli.main(["checkpoints", "--run", str(run)]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"error: --run: {file} cannot be read (Input/output error)"]
    assert said.out == ""
