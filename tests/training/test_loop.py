"""The training loop on real files: what it writes, how it resumes, and how it stops."""

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints import folders
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.checkpoints.restore import restore_newest
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import OptimizerConfig, TrainConfig
from cyclegan_jax.devices import cgroups
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import generator as inference
from cyclegan_jax.state import TrainState
from cyclegan_jax.training import divergence, gan_warnings, memory_estimate
from cyclegan_jax.training import loop as training
from cyclegan_jax.training.divergence import DivergedError
from tests.conftest import tiny_config
from tests.helpers.logs import logged
from tests.helpers.pages import read

Run = tuple[Path, TrainConfig, list[str]]
"""The work directory of a run, its config, and its log lines."""


def config_for(folder: Path, **changes: Any) -> TrainConfig:
    base = tiny_config()
    data = dataclasses.replace(base.data, dir=str(folder))
    # Only the samples that the steps ask for, however slow the machine is.
    every = {"log_every": 2, "sample_every": 4, "sample_minutes": 0.0, "checkpoint_every": 4}
    return tiny_config(**{"data": data, "steps": 6, "ema_decay": 0.5, **every, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of six steps: its work directory, its config, and its log lines."""
    root = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (root / "photos" / split).mkdir(parents=True)
        for index in range(3):
            pixels = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "photos" / split / f"{index}.png")
    config = config_for(root / "photos")
    with logged() as lines:
        training.train(config, root / "work")
    return root / "work", config, lines


def test_writes_pictures_logs_and_checkpoints(run: Run) -> None:
    workdir, config, lines = run
    assert sorted(path.name for path in (workdir / "samples").iterdir()) == [
        "step_0000004_epoch_2.png",
        "step_0000006_epoch_2.png",
    ]
    with Image.open(workdir / "samples" / "step_0000006_epoch_2.png") as grid:
        # Three test images in rows, six times as large; A, there, back, B, there, back in columns, with headings.
        assert grid.size == (6 * 144 + 5 * 4, 24 + 3 * 144 + 2 * 4)
    assert json.loads((workdir / "config.json").read_text())["data"]["image_size"] == 24
    newest = open_checkpoint(workdir)
    assert (newest.config, newest.step) == (config, 6)

    events = EventAccumulator(str(workdir / "tensorboard")).Reload()
    losses = events.Scalars("loss/cycle_A")
    assert [event.step for event in losses] == [2, 4, 6]
    assert all(math.isfinite(event.value) and event.value > 0 for event in losses)
    assert [event.step for event in events.Images("samples")] == [4, 6]
    assert all(0 <= event.value <= 1 for event in events.Scalars("waiting_for_data"))
    assert [(event.step, event.value) for event in events.Scalars("epoch")] == [(2, 1), (4, 2), (6, 2)]

    assert lines[0] == "A: 3 images, B: 3 images, 1 CPU device, 6 steps (2 epochs)"
    assert lines[1] == f"{workdir}/index.html shows the run in a browser"
    assert lines[2].startswith("compiling the step (about ")
    (last,) = [line for line in lines if line.startswith("step 6/6  ")]
    for part in ("epoch 2", "pairs/s", "s left", "G ", "D ", "cycle "):
        assert part in last
    # The end says where everything is, and what to do with it.
    assert re.fullmatch(rf"done: 6 steps in [\dhm]+s; pictures, curves and scores: {workdir}/index.html", lines[-4])
    assert lines[-3] == f"curves:    tensorboard --logdir {workdir}"
    for line, command in ((lines[-2], "translate"), (lines[-1], "evaluate")):
        assert re.match(rf"\w+: +cyclegan-jax {command} --run {workdir}", line)


def test_load_generator_gives_the_trained_one(run: Run) -> None:
    workdir, _, _ = run
    images = np.random.default_rng(1).integers(0, 256, (2, 24, 28, 3), dtype=np.uint8)
    generator = inference.load_generator(workdir, "BtoA")
    assert (generator.step, generator.domains) == (6, ("B", "A"))
    translated = generator.translate_uint8(images)
    assert translated.shape == images.shape
    assert translated.dtype == np.uint8
    # The moving average is the default where there is one, and differs from the weights.
    raw = inference.load_generator(workdir, "BtoA", ema=False)
    assert not np.array_equal(raw.translate_uint8(images), translated)
    earlier = inference.load_generator(workdir, "BtoA", step=4)
    assert not np.array_equal(earlier.translate_uint8(images), translated)
    other = inference.load_generator(workdir, "AtoB")
    assert not np.array_equal(other.translate_uint8(images), translated)


def test_load_generator_reports_what_is_missing(run: Run, tmp_path: Path) -> None:
    workdir, _, _ = run
    with pytest.raises(UserError, match=f"{tmp_path} has no checkpoints"):
        inference.load_generator(tmp_path)
    with pytest.raises(UserError, match=r"no checkpoint of step 5; it has 4, 6"):
        inference.load_generator(workdir, step=5)
    with pytest.raises(UserError, match="direction is 'BtoC'"):
        inference.load_generator(workdir, "BtoC")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="takes float images"):
        inference.load_generator(workdir)(np.zeros((1, 24, 24, 3), np.uint8))


@pytest.fixture(scope="module")
def resumed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainState, list[str]]:
    """The same run in two parts, with early samples, and without its first grid in the second part."""
    _, config, _ = run
    workdir = tmp_path_factory.mktemp("resumed") / "work"
    config = dataclasses.replace(config, sample_minutes=1e-6)
    with logged() as lines:
        training.train(dataclasses.replace(config, steps=3), workdir)
        (workdir / "samples" / "step_0000000_epoch_0.png").rename(workdir / "first.png")
        return workdir, training.train(config, workdir), lines


def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(
    run: Run, resumed: tuple[Path, TrainState, list[str]]
) -> None:
    """Weights, optimizer states, pools, average, and the order of the data; early samples change none of them."""
    (workdir, config, _), (again, train_state, lines) = run, resumed
    assert f"continuing {again} from step 3 (epoch 1), with steps 3 -> 6" in lines
    # Loading gives exactly what is on disk, so the uninterrupted run can be read from its checkpoint.
    restored = restore_newest(workdir, config, train_state)
    assert restored is not None
    expected = restored.state
    for (path, one), other in zip(jax.tree.leaves_with_path(train_state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=jax.tree_util.keystr(path))
    assert int(train_state.step) == 6


def test_the_first_samples_come_before_the_step_is_compiled(resumed: tuple[Path, TrainState, list[str]]) -> None:
    workdir, _, lines = resumed
    assert lines[2] == f"{workdir}/samples/step_0000000_epoch_0.png shows test images before training"
    assert lines[3].startswith("compiling the step")
    # Only a new run begins with samples of untrained networks.
    drawn = [path.name for path in sorted((workdir / "samples").iterdir())]
    assert drawn[:2] == ["step_0000001_epoch_1.png", "step_0000002_epoch_1.png"]
    first, later = (
        np.asarray(Image.open(workdir / name)) for name in ("first.png", "samples/step_0000002_epoch_1.png")
    )
    np.testing.assert_array_equal(first[24:, :144], later[24:, :144])
    assert (first != later).any()


def test_each_config_is_kept_and_another_experiment_refused(
    run: Run, tmp_path: Path, log_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data is found from another folder, where its relative path leads nowhere."""
    _, config, _ = run
    monkeypatch.chdir(Path(config.data.dir or "").parent)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir="photos"), steps=1)
    training.train(config, tmp_path / "work")
    stored = open_checkpoint(tmp_path / "work").config
    monkeypatch.chdir(tmp_path)
    mild = dataclasses.replace(stored, loss=dataclasses.replace(config.loss, cycle_weight_A=5.0), steps=2)
    with pytest.raises(UserError, match=r"\(loss\.cycle_weight_A 10\.0 -> 5\.0\): .*--allow_changes"):
        training.train(mild, tmp_path / "work")
    training.train(mild, tmp_path / "work", allow_changes=True)
    training.train(dataclasses.replace(mild, steps=3), tmp_path / "work")
    training.train(dataclasses.replace(mild, steps=3), tmp_path / "work")
    kept = {path.name: json.loads(path.read_text()) for path in (tmp_path / "work" / "configs").iterdir()}
    weights = {name: values["loss"]["cycle_weight_A"] for name, values in kept.items()}
    assert weights == {"from_step_0.json": 10.0, "from_step_1.json": 5.0, "from_step_2.json": 5.0}
    assert json.loads((tmp_path / "work" / "config.json").read_text()) == kept["from_step_2.json"]


def test_several_steps_in_one_program(run: Run, tmp_path: Path, log_lines: list[str]) -> None:
    """Three steps in one call, then single steps to the checkpoint at step 4 and the end at step 6."""
    workdir, config, lines = run
    training.train(dataclasses.replace(config, steps_per_dispatch=3), tmp_path / "work")
    steps = [[line.split()[1] for line in each if line.startswith("step ")] for each in (log_lines, lines)]
    assert steps[0] == steps[1] == ["2/6", "4/6", "6/6"]
    assert open_checkpoint(tmp_path / "work").step == 6
    for name in ("loss/cycle_A", "loss/gan_AtoB", "loss/discriminators"):
        one, other = (EventAccumulator(str(run / "tensorboard")).Reload() for run in (workdir, tmp_path / "work"))
        expected = [event.value for event in one.Scalars(name)]
        assert [event.value for event in other.Scalars(name)] == pytest.approx(expected, rel=2e-3)
        assert len(set(expected)) == 3


def test_too_little_memory_is_reported_before_the_first_step(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, config, _ = run
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    limit = tmp_path / "sys" / "fs" / "cgroup" / "memory.max"
    limit.parent.mkdir(parents=True)
    enough = sum(memory_estimate.on_device(config, None, 1).values()) + 100_000
    # Drawing the state takes about twice its size, and a step more.
    for number, what in (
        (100_000, "the training needs at least"),
        (enough, "the first state needs"),
        (2 * enough, "a training step needs"),
    ):
        limit.write_text(f"{number}\n")
        with pytest.raises(UserError, match=rf"{what} 0\.0 GiB of memory, but this machine has 0\.0 GiB: .*lower --"):
            training.train(config, tmp_path / "work")
    monkeypatch.undo()
    assert int(training.train(dataclasses.replace(config, steps=1), tmp_path / "work").step) == 1


def test_a_finished_run_logs_that_it_is_finished(run: Run, log_lines: list[str]) -> None:
    workdir, config, _ = run
    training.train(config, workdir)
    assert "is at step 6 (epoch 2) already: raise --steps" in log_lines[-1]


def test_a_moved_run_is_extended_past_its_schedule(run: Run, tmp_path: Path, log_lines: list[str]) -> None:
    """Three images and one constant epoch of two: the schedule ends at step 6, with half of the rate in its last."""
    workdir, config, _ = run
    moved = shutil.copytree(workdir, tmp_path / "moved")
    short = dataclasses.replace(config, optimizer=OptimizerConfig(constant_epochs=1, decay_epochs=1), steps=8)
    state = training.train(short, moved, allow_changes=True)
    assert int(state.step) == 8
    assert log_lines[0].startswith(f"continuing {moved} from step 6 (epoch 2), with optimizer.constant_epochs 100 -> 1")
    assert "the learning-rate schedule ends at step 6 (epoch 2): later steps keep its last rate, 0.0001" in log_lines
    rates = EventAccumulator(str(moved / "tensorboard")).Reload().Scalars("learning_rate")
    assert rates[-1].step == 8
    assert rates[-1].value == pytest.approx(1e-4)


def test_a_new_run_starts_from_another_runs_weights(run: Run, tmp_path: Path, log_lines: list[str]) -> None:
    workdir, config, _ = run
    tuned = dataclasses.replace(config, init_from=str(workdir), steps=1)
    training.train(tuned, tmp_path / "work")
    assert log_lines[0].startswith(f"starting from the weights of {workdir} at step 6 (epoch 2): ")
    # One step of 2e-4 from the old weights; fresh ones are further away than that.
    old, new = (open_checkpoint(path).generator("AtoB", ema=False) for path in (workdir, tmp_path / "work"))
    worst = max(float(abs(a - b).max()) for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True))
    assert worst < 3e-4
    with pytest.raises(UserError, match=rf"init_from None -> {tmp_path}"):
        training.train(dataclasses.replace(config, init_from=str(tmp_path)), workdir)


def test_a_run_in_epochs(run: Run, tmp_path: Path) -> None:
    """Of three images, so that one and a half epochs end in the middle of step 5."""
    _, config, _ = run
    every: dict[str, Any] = {"log_every": "1epoch", "sample_every": "1epoch", "checkpoint_every": "1.5epochs"}
    config = dataclasses.replace(config, **every, steps="2epochs", snapshot_every="2epochs")
    workdir = tmp_path / "work"
    with logged() as lines:
        training.train(config, workdir)
    assert lines[0].endswith(", 6 steps (2 epochs)")
    assert (folders.steps(workdir), folders.snapshot_steps(workdir)) == ([5, 6], [6])
    drawn = sorted(path.name for path in (workdir / "samples").iterdir())
    assert drawn == ["step_0000003_epoch_1.png", "step_0000006_epoch_2.png"]
    whole, alone = (open_checkpoint(workdir / name / "6") for name in ("checkpoints", "snapshots"))
    assert (open_checkpoint(workdir, "epoch:2").path, alone.is_snapshot) == (whole.path, True)
    pairs = zip(jax.tree.leaves(whole.generator("AtoB")), jax.tree.leaves(alone.generator("AtoB")), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
    # The step decides, not the text: a resumed run may count in steps, and go on.
    again = dataclasses.replace(config, checkpoint_every=3, steps=7)
    assert int(training.train(again, workdir).step) == 7


def test_a_warning_is_on_the_page_of_the_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, config, _ = run
    monkeypatch.setattr(gan_warnings, "WINDOW", 1)
    monkeypatch.setattr(gan_warnings, "WINNING_SHARE", 1e9)
    training.train(dataclasses.replace(config, steps=1), tmp_path / "work")
    lines = (tmp_path / "work" / "events.jsonl").read_text().splitlines()
    _, *warnings = [json.loads(line) for line in lines]
    assert [warning["step"] for warning in warnings] == [1, 1]
    page = read(tmp_path / "work" / "index.html").text
    assert "Finished: step 1 of 1" in page
    assert all(warning["warning"] in page for warning in warnings)
    assert "at step 1 discriminator A is winning" in page


def test_an_infinite_moment_is_not_saved(run: Run) -> None:
    """Adam divides by its square root: the parameters stay finite, but never change again."""
    workdir, config, _ = run
    with CheckpointWriter(workdir, config) as opened:
        good = restore_newest(workdir, config, state.create(config, optimizer.adam(config.optimizer)))
        assert good is not None
        divergence.check_state(good.state, 6, opened)
        moments = good.state.generator_optimizer
        bad = good.state._replace(
            generator_optimizer=moments._replace(nu=jax.tree.map(lambda leaf: leaf * math.inf, moments.nu))
        )
        message = r"at step 7: a number in the generator optimizer is not finite; the checkpoint of step 6 is kept"
        with pytest.raises(DivergedError, match=message):
            divergence.check_state(bad, 7, opened)


def test_another_architecture_is_refused(run: Run) -> None:
    workdir, config, _ = run
    wider = dataclasses.replace(config, generator=dataclasses.replace(config.generator, width=8))
    with pytest.raises(UserError, match=r"another config \(generator\.width 4 -> 8\).*--init_from="):
        training.train(wider, workdir)


def test_divergence_stops_and_keeps_the_last_good_checkpoint(run: Run, tmp_path: Path) -> None:
    """A rate at which float32 overflows within a few steps."""
    _, config, _ = run
    steep = dataclasses.replace(config, optimizer=OptimizerConfig(learning_rate=1e20), checkpoint_every=1, steps=50)
    with pytest.raises(DivergedError, match=r"training diverged at step \d+: .*; .*Lower --optimizer") as stop:
        training.train(steep, tmp_path / "work")
    # Whatever was saved can be used: every weight in it is a number.
    try:
        step = open_checkpoint(tmp_path / "work").step
    except UserError:
        assert "no checkpoint had been saved yet" in str(stop.value)
        return
    assert f"the checkpoint of step {step} is kept" in str(stop.value)
    params = open_checkpoint(tmp_path / "work").generator("AtoB", ema=False)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
