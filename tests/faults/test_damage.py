"""Flipped bytes and cut files: what is loaded is what was saved, or it is not loaded."""

import dataclasses
import json
import random
import shutil
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints import folders, on_disk, scores
from cyclegan_jax.checkpoints import health as checkpoint_health
from cyclegan_jax.checkpoints.restore import Restored, restore_newest
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.exit_status import DAMAGED
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import generator as inference
from tests.faults.summary import SUMMARY
from tests.helpers.logs import logged

# When one array cannot be read, Orbax closes its event loop, and TensorStore's other threads then fail to report to it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CONFIG = TrainConfig(
    data=DataConfig(image_size=16, load_size=18),
    generator=GeneratorConfig(blocks=0, width=2),
    discriminator=DiscriminatorConfig(width=2, n_layers=1),
    pool_size=2,
    ema_decay=0.5,
)


def at_step(step: int) -> state.TrainState:
    """A state whose arrays are random and differ from those of every other step."""
    rng = np.random.default_rng(step)
    blank = state.create(CONFIG, optimizer.adam(CONFIG.optimizer))

    def filled(leaf: jax.Array) -> jax.Array:
        return jax.numpy.asarray(rng.uniform(0, 100, leaf.shape).astype(leaf.dtype))

    return jax.tree.map(filled, blank)._replace(step=jax.numpy.int32(step))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run with whole checkpoints of steps 4 and 8."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    with CheckpointWriter(workdir, CONFIG) as saved:
        for step in (4, 8):
            saved.save(at_step(step), {"pairs": step})
    return workdir


@pytest.fixture
def run(whole, tmp_path) -> Path:
    """A copy of the run to damage, in another folder: work directories can be moved."""
    return Path(shutil.copytree(whole, tmp_path / "moved"))


def restored(run: Path) -> tuple[Restored | None, list[str]]:
    with logged() as warnings, CheckpointWriter(run, CONFIG):
        return restore_newest(run, CONFIG, at_step(0)), warnings


def equal(found: Restored | None, step: int) -> bool:
    assert found is not None
    pairs = zip(jax.tree.leaves(found.state), jax.tree.leaves(at_step(step)), strict=True)
    return found.data_position == {"pairs": step} and all(np.array_equal(one, other) for one, other in pairs)


def damage(folder: Path, rng: random.Random) -> str:
    """Flip one bit or truncate one file anywhere in a checkpoint, and return what was done."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.stat().st_size)
    # An accident hits large files more often. Half of the time all files are equally likely, to test small ones too.
    file = rng.choices(files, [f.stat().st_size for f in files] if rng.random() < 0.5 else None)[0]
    content = bytearray(file.read_bytes())
    place = rng.randrange(len(content))
    if rng.random() < 0.25:
        file.write_bytes(content[:place])
        return f"{file.relative_to(folder)} cut to {place} bytes"
    content[place] ^= 1 << rng.randrange(8)
    file.write_bytes(content)
    return f"a bit flipped at {place} of {file.relative_to(folder)}"


def one_damage(run: Path, seed: int) -> None:
    what = damage(run / "checkpoints" / "8", random.Random(seed))
    found, warnings = restored(run)
    SUMMARY.damaged += 1
    if warnings:
        SUMMARY.detected += 1
        assert equal(found, 4), what
        assert "damaged" in warnings[0], what
        assert "resuming from step 4 instead" in warnings[0], what
    else:
        # Something that loading does not use: the name of a handler, a time, padding.
        assert equal(found, 8), what
        SUMMARY.harmless += 1


@pytest.mark.parametrize("seed", range(16))
def test_no_damage_is_loaded(run, seed):
    one_damage(run, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1250))
def test_no_damage_is_loaded_in_250_more_cases(run, seed):
    one_damage(run, seed)


def flip_array(folder: Path) -> None:
    """Flip a bit in the middle of the largest file, which holds arrays."""
    file = max((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_orbax_alone_does_not_see_a_flipped_bit(run):
    """The control experiment: without the checksums the damaged array is loaded without an error."""
    folder = run / "checkpoints" / "8"
    flip_array(folder)
    like = {
        name: jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), value)
        for name, value in at_step(8)._asdict().items()
    }
    loaded = on_disk.load(folder, like, {})
    right = at_step(8)._asdict()
    assert not all(map(np.array_equal, jax.tree.leaves(loaded), jax.tree.leaves(right)))
    with pytest.raises(on_disk.DamagedError, match=r"the array [\w.]+.*: not the values that were written"):
        on_disk.load(folder, like, on_disk.read_metadata(folder))


def test_whole_checkpoints_are_loaded_without_a_warning(run):
    found, warnings = restored(run)
    assert equal(found, 8)
    assert warnings == []


def test_a_damaged_checkpoint_is_set_aside_and_saved_again(run):
    flip_array(run / "checkpoints" / "8")
    restored(run)
    assert folders.steps(run) == [4]
    assert (run / "checkpoints" / "8.set-aside").is_dir()
    with CheckpointWriter(run, CONFIG) as opened:
        opened.save(at_step(8), {"pairs": 8})
    found, warnings = restored(run)
    assert equal(found, 8)
    assert warnings == []


def test_a_run_with_only_damaged_checkpoints_fails(run):
    """Starting at step 0 in the same folder would overwrite what a backup could still complete."""
    for step in ("4", "8"):
        flip_array(run / "checkpoints" / step)
    with pytest.raises(UserError, match=r"8 is damaged .*none before it is whole.*--workdir"):
        restored(run)
    assert folders.steps(run) == [4, 8]


def test_empty_and_foreign_folders_are_not_checkpoints(run):
    folder = run / "checkpoints"
    (folder / "9").mkdir()
    (folder / "12").mkdir()
    (folder / "12" / "notes.txt").write_text("somebody's")
    (folder / "007").mkdir()
    (folder / "10.orbax-checkpoint-tmp").mkdir()
    (folder / "3.deleted").mkdir()
    assert folders.steps_in(folder) == [4, 8]
    found, warnings = restored(run)
    assert equal(found, 8)
    assert warnings == []
    # Leftovers of killed processes are deleted. Somebody's files are kept, even where a save needs their name.
    assert sorted(path.name for path in folder.iterdir()) == ["007", "12", "4", "8", "9"]
    with CheckpointWriter(run, CONFIG) as opened:
        opened.save(at_step(12), {"pairs": 12})
    assert folders.steps_in(folder) == [4, 8, 12]
    assert (folder / "12.set-aside" / "notes.txt").read_text() == "somebody's"


def test_a_checkpoint_without_checksums_is_loaded(run):
    for step in ("4", "8"):
        file = run / "checkpoints" / step / "_CHECKPOINT_METADATA"
        values = json.loads(file.read_text())
        for name in ("arrays", "checksum"):
            del values["custom_metadata"][name]
        file.write_text(json.dumps(values))
    found, warnings = restored(run)
    assert equal(found, 8)
    assert warnings == []
    assert [health.words for health in checkpoint_health.examine(run)] == ["readable; without checksums"] * 2


def test_a_changed_number_in_the_metadata_is_detected(run):
    """The metadata is JSON, which parses just as well with another data position or network width."""
    file = run / "checkpoints" / "8" / "_CHECKPOINT_METADATA"
    text = file.read_text()
    assert '"pairs": 8' in text
    file.write_text(text.replace('"pairs": 8', '"pairs": 9'))
    found, warnings = restored(run)
    assert equal(found, 4)
    assert "_CHECKPOINT_METADATA is not what was written" in warnings[0]


def test_load_generator_reports_damage_and_the_other_steps(run):
    for file in (run / "checkpoints" / "8" / "state").rglob("d/*"):
        file.write_bytes(b"")
    with pytest.raises(UserError, match=r"8 is damaged \(.*cannot be read.*: name another step \(4\)"):
        inference.load_generator(run, "AtoB")
    assert inference.load_generator(run, "AtoB", step=4).step == 4


def test_the_best_checkpoint_by_a_score_is_kept(run):
    scores.record_score(run, 4, "fid", 20.0, better="lower")
    scores.record_score(run, 8, "fid", 30.0, better="lower")
    with CheckpointWriter(run, dataclasses.replace(CONFIG, keep_checkpoints=2)) as opened:
        for step in (9, 10, 11):
            opened.save(at_step(step), {"pairs": step})
    assert folders.steps(run) == [4, 10, 11]
    # The same metric with the other `better`, a step that does not exist, and a value that is not finite.
    for step, value, better in ((4, 1.0, "higher"), (8, 1.0, "lower"), (4, float("nan"), "lower")):
        with pytest.raises(UserError):
            scores.record_score(run, step, "fid", value, better=better)


def test_with_odd_scores_nothing_is_deleted(run, log_lines):
    """Which checkpoint is the best is in the file that is set aside; later checkpoints are deleted as ever."""
    (run / "scores.json").write_text("{")
    with pytest.raises(UserError, match=r"scores\.json is not a file of scores"):
        checkpoint_health.examine(run)
    time.sleep(0.05)
    with CheckpointWriter(run, dataclasses.replace(CONFIG, keep_checkpoints=1)) as opened:
        opened.save(at_step(9), {"pairs": 9})
        opened.wait()
        time.sleep(0.05)
        for step in (10, 11):
            opened.save(at_step(step), {"pairs": step})
    assert folders.steps(run) == [4, 8, 9, 11]
    (warning,) = log_lines
    assert "keeps the checkpoints that are there now until scores.json.set-aside is deleted" in warning
    (run / "scores.json.set-aside").unlink()
    with CheckpointWriter(run, dataclasses.replace(CONFIG, keep_checkpoints=1)) as opened:
        opened.save(at_step(12), {"pairs": 12})
    assert folders.steps(run) == [12]


def test_a_checkpoint_due_for_evaluation_is_kept(run):
    with CheckpointWriter(run, dataclasses.replace(CONFIG, keep_checkpoints=1, eval_every=4)) as opened:
        for step in (9, 10):
            opened.save(at_step(step), {"pairs": step})
        opened.wait()
        assert folders.steps(run) == [4, 8, 10]
        for step, value in ((4, 20.0), (8, 30.0)):
            scores.record_score(run, step, "fid", value, better="lower")
        opened.delete_old()
    assert folders.steps(run) == [4, 10]


def test_a_nan_is_never_the_best(run):
    (run / "scores.json").write_text('{"fid": {"better": "lower", "values": {"4": 20.0, "8": NaN}}}')
    with pytest.raises(UserError, match=r"scores\.json is not a file of scores \(NaN is not a finite number\)"):
        scores.best_step(run, [4, 8])


def test_the_checkpoints_command_lists_health(run, capsys, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    scores.record_score(run, 4, "fid", 20.5, better="lower")
    scores.record_score(run, 8, "fid", 30.25, better="lower")
    assert cli.main(["checkpoints", "--run", str(run)]) == 0
    heading, four, eight, note = capsys.readouterr().out.splitlines()
    assert heading.split() == ["step", "size", "saved", "fid", "health"]
    assert four.split()[0] == "4"
    assert four.split()[-2:] == ["20.5*", "ok"]
    assert eight.split()[-2:] == ["30.25", "ok"]
    assert "best" in note
    flip_array(run / "checkpoints" / "8")
    assert cli.main(["checkpoints", "--run", str(run)]) == DAMAGED == 1
    assert "damaged: the array" in capsys.readouterr().out
    assert cli.main(["checkpoints", "--run", str(run.parent)]) == 2
    assert "has no checkpoints" in capsys.readouterr().err
