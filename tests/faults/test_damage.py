"""Damaged, renamed and unreadable checkpoints: what each command does, and what it prints."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from cyclegan_jax import config_dict
from cyclegan_jax.checkpoints import checksums, folders, layout, on_disk, scores
from cyclegan_jax.checkpoints import health as checkpoint_health
from cyclegan_jax.checkpoints.failures import DamagedError
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.exit_status import DAMAGED
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import generator as inference
from tests.faults.damages import flip_array
from tests.faults.saved_runs import CONFIG, at_step, equal, restored

# When one array cannot be read, Orbax closes its event loop, and TensorStore's other threads then fail to report to it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_orbax_alone_does_not_see_a_flipped_bit(run):
    """The control experiment: without the checksums the damaged array is loaded without an error."""
    folder = run / "checkpoints" / "8"
    flip_array(folder)
    like = {
        name: jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), value)
        for name, value in layout.as_dict(at_step(8)).items()
    }
    loaded = on_disk.load(folder, like, {})
    right = layout.as_dict(at_step(8))
    assert not all(map(np.array_equal, jax.tree.leaves(loaded), jax.tree.leaves(right)))
    with pytest.raises(DamagedError, match=r"the array [\w.]+.*: not the values that were written"):
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


def as_the_first_versions(run: Path, *steps: int) -> None:
    """Save checkpoints as the first versions did: by Orbax's `Checkpointer`, and without checksums."""
    config = {name: value for name, value in config_dict.to_dict(CONFIG).items() if name != "init_from"}
    with ocp.training.Checkpointer(folders.directory(run)) as checkpointer:
        for step in steps:
            metadata = {"config": config, "data_position": {"pairs": step}}
            checkpointer.save(step, layout.as_dict(at_step(step)), force=True, custom_metadata=metadata)


def test_a_checkpoint_of_the_first_versions_is_loaded(tmp_path, log_lines):
    as_the_first_versions(tmp_path, 4, 8)
    found, warnings = restored(tmp_path)
    assert equal(found, 8)
    (warning,) = warnings
    assert "checkpoints/8 has no checksums: an early version wrote it, and damage to it cannot be found" in warning
    assert [health.words for health in checkpoint_health.examine(tmp_path)] == ["readable; without checksums"] * 2
    log_lines.clear()
    assert inference.load_generator(tmp_path).step == 8
    assert log_lines == warnings


def test_lost_checksums_are_not_an_early_version(run):
    file = run / "checkpoints" / "8" / "_CHECKPOINT_METADATA"
    values = json.loads(file.read_text())
    for name in ("arrays", "checksum", "step"):
        del values["custom_metadata"][name]
    file.write_text(json.dumps(values))
    with pytest.raises(DamagedError, match=r"8 is damaged \(_CHECKPOINT_METADATA has no checksum\): name another"):
        inference.load_generator(run)
    found, warnings = restored(run)
    assert equal(found, 4)
    assert "resuming from step 4 instead" in warnings[0]


def without_a_signed_step(checkpoint: Path) -> None:
    """Make the metadata that of the versions whose metadata had checksums, but no step."""
    file = checkpoint / "_CHECKPOINT_METADATA"
    values = json.loads(file.read_text())
    old = {name: value for name, value in values["custom_metadata"].items() if name not in ("step", "checksum")}
    file.write_text(json.dumps(values | {"custom_metadata": checksums.sign(old)}))


@pytest.mark.parametrize("version", ["signed step", "checksums only", "first"])
def test_a_renamed_folder_is_not_another_step(run, tmp_path, capsys, version):
    if version == "first":
        run = tmp_path
        as_the_first_versions(run, 4, 8)
    elif version == "checksums only":
        for step in ("4", "8"):
            without_a_signed_step(run / "checkpoints" / step)
        assert inference.load_generator(run).step == 8
    shutil.copytree(run / "checkpoints" / "8", run / "checkpoints" / "8000")
    sentence = r"8000 is damaged \(it holds step 8, not step 8000: rename the folder to 8 or delete it\): name another"
    with pytest.raises(DamagedError, match=sentence):
        inference.load_generator(run)
    output = str(run.parent / "translated")
    assert cli.main(["translate", "--run", str(run), "--input", "photo.png", "--output", output]) == 2
    assert re.search(sentence, capsys.readouterr().err)
    found, warnings = restored(run)
    assert equal(found, 8)
    assert "it holds step 8, not step 8000" in "".join(warnings)
    assert folders.steps(run) == [4, 8]


def test_a_renamed_folder_alone_does_not_start_a_new_run(run):
    shutil.rmtree(run / "checkpoints" / "4")
    (run / "checkpoints" / "8").rename(run / "checkpoints" / "8000")
    with pytest.raises(UserError, match=r"rename the folder to 8 or delete it.*none before it is whole"):
        restored(run)
    assert folders.steps(run) == [8000]


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
    with CheckpointWriter(run, dataclasses.replace(CONFIG, keep_checkpoints=1), lambda step: step % 4 == 0) as opened:
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
    assert heading.split() == ["step", "epoch", "size", "saved", "fid", "health"]
    assert four.split()[0] == "4"
    assert four.split()[-2:] == ["20.5*", "ok"]
    assert eight.split()[-2:] == ["30.25", "ok"]
    assert "best" in note
    flip_array(run / "checkpoints" / "8")
    assert cli.main(["checkpoints", "--run", str(run)]) == DAMAGED == 1
    assert "damaged: the array" in capsys.readouterr().out
    assert cli.main(["checkpoints", "--run", str(run.parent)]) == 2
    assert "has no checkpoints" in capsys.readouterr().err


def stderr_of_loading(run: Path) -> tuple[str, str]:
    """What a fresh Python prints that loads a generator and is idle for a moment: standard output and error."""
    code = f"""
import gc, logging, sys, time
import cyclegan_jax
hook, filters = sys.unraisablehook, [list(logging.getLogger(name).filters) for name in ("absl", "asyncio")]
try:
    cyclegan_jax.open_checkpoint({str(run)!r}).state()
except ValueError as error:
    print("error:", error)
assert sys.unraisablehook is hook
assert filters == [logging.getLogger(name).filters for name in ("absl", "asyncio")]
try:
    cyclegan_jax.load_generator({str(run)!r})
except ValueError as error:
    print("error:", error)
gc.collect()
time.sleep(0.5)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("kind", ["whole", "cut", "empty", "missing"])
def test_python_prints_only_our_error(run, kind):
    for file in (run / "checkpoints" / "8" / "state" / "ocdbt.process_0" / "d").iterdir():
        if kind == "cut":
            file.write_bytes(file.read_bytes()[:3000])
        elif kind == "empty":
            file.write_bytes(b"")
        elif kind == "missing":
            file.unlink()
    said, errors = stderr_of_loading(run)
    assert errors == ""
    assert [line[:24] for line in said.splitlines()] == (
        [] if kind == "whole" else ["error: the checkpoint /tm"[:24]] * 2
    )
