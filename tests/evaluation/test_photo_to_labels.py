"""Scoring a run end to end: which images are paired, which direction is taken, and what is refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax import cli, inference, training
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import palette
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import segmentation
from cyclegan_jax.evaluation.photo_to_labels import evaluate_run
from tests.conftest import tiny_config


def write_streets(root: Path) -> None:
    """Label maps of road and sky in A and gray photos in B; the test names agree but for their endings."""
    rng = np.random.default_rng(0)
    colors = palette.color_array()
    for split in ("trainA", "trainB", "testA", "testB"):
        (root / split).mkdir(parents=True)
        for index in range(4):
            if split.endswith("A"):
                horizon = int(rng.integers(8, 20))
                ids = np.where(np.arange(28)[:, None] < horizon, 10, 0) * np.ones((1, 28), int)
                Image.fromarray(colors[ids]).save(root / split / f"scene{index}.png")
            else:
                Image.fromarray(rng.integers(0, 256, (28, 28, 3), dtype=np.uint8)).save(
                    root / split / f"scene{index}.jpg"
                )


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, TrainConfig]:
    root = tmp_path_factory.mktemp("labelled")
    write_streets(root / "data")
    config = tiny_config(steps=1)
    data = dataclasses.replace(config.data, dir=str(root / "data"), labels="A")
    config = dataclasses.replace(config, data=data)
    training.train(config, root / "run", say=lambda line: None)
    return root / "run", config


def test_scores_are_those_of_the_translated_test_photos(run):
    workdir, _ = run
    result = evaluate_run(workdir)
    # By hand: read the pairs, translate, count.
    folder = workdir.parent / "data"
    generator = inference.load_generator(workdir, "BtoA")
    right = total = 0
    for index in range(4):
        with Image.open(folder / "testB" / f"scene{index}.jpg") as photo:
            image = np.asarray(photo.resize((24, 24), Image.Resampling.BICUBIC))
        with Image.open(folder / "testA" / f"scene{index}.png") as labels:
            truth = np.asarray(labels.resize((24, 24), Image.Resampling.NEAREST))
        predicted = segmentation.nearest_class(generator.translate_uint8(image[None]), palette.COLORS)[0]
        right += (predicted == segmentation.nearest_class(truth, palette.COLORS)).sum()
        total += predicted.size
    assert result.model.pixel_accuracy == pytest.approx(right / total)
    assert result.model.absent == tuple(name for name in palette.NAMES if name not in ("road", "sky"))
    # The constant map of horizons that differ is neither perfect nor worthless.
    assert 0.5 < result.constant_map.pixel_accuracy < 1


def test_the_command_prints_a_table_and_json(run, capsys):
    workdir, _ = run
    assert cli.main(["evaluate", "--run", str(workdir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("constant map" in line for line in lines)
    scores = json.loads(lines[-1])
    assert set(scores) == {"pixel_accuracy", "class_accuracy", "class_iou", "constant_map", "shuffled"}
    assert set(scores["shuffled"]) == {"pixel_accuracy", "class_accuracy", "class_iou"}


def test_a_run_without_labels_cannot_be_scored(run, tmp_path):
    _, config = run
    unlabelled = dataclasses.replace(config, data=dataclasses.replace(config.data, labels=None))
    training.train(unlabelled, tmp_path / "run", say=lambda line: None)
    with pytest.raises(UserError, match=r"without a label domain.*--data\.labels=A"):
        evaluate_run(tmp_path / "run")


def test_data_that_moved_is_named_or_refused(run, tmp_path):
    workdir, _ = run
    with pytest.raises(UserError, match="nowhere"):
        evaluate_run(workdir, data_dir=str(tmp_path / "nowhere"))
    write_streets(tmp_path / "moved")
    assert evaluate_run(workdir, data_dir=str(tmp_path / "moved")) == evaluate_run(workdir)
