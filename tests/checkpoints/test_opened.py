"""Opening a checkpoint: what is read, how often, and every way to choose one."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints import layout, on_disk, scores
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from tests.conftest import tiny_config


def save_run(workdir: Path, config: TrainConfig) -> state.TrainState:
    """A run with checkpoints of steps 1 and 2, whose average differs from its weights; the state of the newer."""
    with jax.enable_x64(config.dtype == "float64"):
        fresh = state.create(config, optimizer.adam(config.optimizer))
        if fresh.ema is not None:
            fresh = fresh._replace(ema=jax.tree.map(lambda leaf: leaf + 1, fresh.ema))
        with CheckpointWriter(workdir, config) as writer:
            for step in (1, 2):
                fresh = fresh._replace(step=jax.numpy.int32(step))
                writer.save(fresh, {"pairs": step})
    return fresh


def same(one: object, other: object) -> bool:
    return all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def test_each_part_is_what_was_saved(tmp_path: Path) -> None:
    config = tiny_config(ema_decay=0.5)
    saved = save_run(tmp_path, config)
    assert saved.ema is not None
    checkpoint = open_checkpoint(tmp_path)
    assert (checkpoint.step, checkpoint.config, checkpoint.metadata["data_position"]) == (2, config, {"pairs": 2})
    assert checkpoint.path == tmp_path / "checkpoints" / "2"
    assert same(checkpoint.generator("BtoA"), saved.ema["BtoA"])
    assert same(checkpoint.generator("BtoA", ema=False), saved.generators["BtoA"])
    assert not same(checkpoint.generator("BtoA", ema=False), saved.generators["AtoB"])
    assert same(checkpoint.discriminator("A"), saved.discriminators["A"])
    assert same(checkpoint.state(), layout.as_dict(saved))


def test_metadata_and_shapes_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_run(tmp_path, tiny_config())
    calls: list[str] = []
    for module, name in ((on_disk, "read_metadata"), (layout, "saved_shapes")):
        original = getattr(module, name)

        def counted(*args: Any, name: str = name, original: Any = original) -> Any:
            calls.append(name)
            return original(*args)

        monkeypatch.setattr(module, name, counted)
    checkpoint = open_checkpoint(tmp_path)
    checkpoint.generator("AtoB")
    checkpoint.generator("BtoA")
    checkpoint.discriminator("A")
    checkpoint.state()
    assert calls == ["read_metadata", "saved_shapes"]


def test_float64_weights_become_float32_for_32_bit_callers(tmp_path: Path) -> None:
    saved = save_run(tmp_path, tiny_config(dtype="float64"))
    checkpoint = open_checkpoint(tmp_path)
    assert {leaf.dtype for leaf in jax.tree.leaves(checkpoint.generator("AtoB"))} == {np.dtype("float32")}
    assert {leaf.dtype for leaf in jax.tree.leaves(checkpoint.state()["generators"])} == {np.dtype("float64")}
    with jax.enable_x64(True):
        assert same(checkpoint.generator("AtoB"), saved.generators["AtoB"])


def test_a_checkpoint_is_chosen_by_step_folder_or_score(tmp_path: Path) -> None:
    save_run(tmp_path, tiny_config())
    assert open_checkpoint(tmp_path).step == 2
    assert open_checkpoint(tmp_path, 1).step == 1
    assert open_checkpoint(tmp_path / "checkpoints" / "1").step == 1
    with pytest.raises(UserError, match="is the checkpoint of step 1, but step is 2: leave one of them out"):
        open_checkpoint(tmp_path / "checkpoints" / "1", 2)
    with pytest.raises(UserError, match="has no checkpoint of step 3; it has 1, 2"):
        open_checkpoint(tmp_path, 3)
    with pytest.raises(UserError, match="has no scores yet: run `cyclegan-jax evaluate"):
        open_checkpoint(tmp_path, "best")
    scores.record_score(tmp_path, 1, "fid", 3.0, better="lower")
    scores.record_score(tmp_path, 2, "fid", 4.0, better="lower")
    assert open_checkpoint(tmp_path, "best").step == 1
    scores.record_score(tmp_path, 2, "class_iou", 0.4, better="higher")
    with pytest.raises(UserError, match=r"depends on the metric \(class_iou 2, fid 1\): name one by metric"):
        open_checkpoint(tmp_path, "best")
    assert open_checkpoint(tmp_path, "best", "fid").step == 1
    with pytest.raises(UserError, match="was not scored by kid: it was by class_iou, fid"):
        open_checkpoint(tmp_path, "best", "kid")


def test_the_best_by_default(tmp_path: Path, log_lines: list[str]) -> None:
    """Each score that is added decides before those that were there."""
    save_run(tmp_path, tiny_config())
    for domain in "AB":
        for step in (1, 2):
            scores.record_score(tmp_path, step, f"cycle_l1_{domain}", 0.1 * step, better="lower")
    with pytest.raises(UserError, match=r"only the L1 distance of the reconstruction \(cycle_l1_A, cycle_l1_B\)"):
        open_checkpoint(tmp_path, "best")
    assert open_checkpoint(tmp_path, "best", "cycle_l1_A").step == 1
    for domain, values in (("A", (8.0, 4.0)), ("B", (2.0, 9.0))):
        for step, value in enumerate(values, start=1):
            scores.record_score(tmp_path, step, f"fid_{domain}", value, better="lower")
    assert open_checkpoint(tmp_path, "best").step == 1
    assert log_lines[-1] == "step 1 is the best of 2 by fid_A + fid_B"
    scores.record_score(tmp_path, 2, "photo_to_labels_class_iou", 0.4, better="higher")
    assert open_checkpoint(tmp_path, "best").step == 2
    assert log_lines[-1] == "step 2 is the best of 2 by photo_to_labels_class_iou"


def test_parts_that_do_not_exist_are_errors(tmp_path: Path) -> None:
    save_run(tmp_path, tiny_config())
    checkpoint = open_checkpoint(tmp_path)
    with pytest.raises(UserError, match=f"{tmp_path} kept no moving average of its weights: train with --ema_decay"):
        checkpoint.generator("AtoB", ema=True)
    with pytest.raises(UserError, match="direction is 'A', but it must be AtoB or BtoA"):
        checkpoint.generator("A")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="domain is 'AtoB', but it must be A or B"):
        checkpoint.discriminator("AtoB")  # type: ignore[arg-type]


def test_damaged_metadata_lists_the_other_steps(tmp_path: Path) -> None:
    save_run(tmp_path, tiny_config())
    (tmp_path / "checkpoints" / "2" / "_CHECKPOINT_METADATA").write_text("[]")
    with pytest.raises(UserError, match=r"damaged \(_CHECKPOINT_METADATA cannot be read\): name another step \(1\)"):
        open_checkpoint(tmp_path)
