"""`cyclegan-jax evaluate` on a run: scores computed by hand, the files, several steps, and mistakes."""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.checkpoints import scores
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import palette
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.evaluate_run import evaluate_run
from cyclegan_jax.evaluation.evaluator import Settings
from cyclegan_jax.evaluation.fid_kid import frechet_distance, kernel_distance
from cyclegan_jax.evaluation.nearest_class import nearest_class
from cyclegan_jax.evaluation.report import report
from cyclegan_jax.evaluation.result_files import read_controls
from cyclegan_jax.evaluation.results import Results, RunResults
from cyclegan_jax.inference import generator as inference
from tests.evaluation import scenes

SETTINGS = Settings(segmenter="tests.evaluation.scenes:read_photos", features="tests.evaluation.scenes:mean_colours")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, TrainConfig]:
    root = tmp_path_factory.mktemp("labelled")
    scenes.write_scenes(root / "data")
    config = scenes.config(root / "data")
    scenes.save_run(config, root / "run", 2)
    return root / "run", config


@pytest.fixture(scope="module")
def run_results(run) -> RunResults:
    return evaluate_run(run[0], SETTINGS, steps="all")


@pytest.fixture
def results(run_results) -> Mapping[int, Results]:
    return run_results.by_step


def read(folder: Path, kind: str) -> list[np.ndarray]:
    resampling = Image.Resampling.NEAREST if folder.name.endswith("A") else Image.Resampling.BICUBIC
    images = []
    for index in range(4):
        with Image.open(folder / f"scene{index}.{kind}") as image:
            images.append(np.asarray(image.resize((16, 16), resampling)))
    return images


def rows(results: Results, key: str) -> dict[str, tuple[float, ...]]:
    """The rows of one table, in which every value exists."""
    (table,) = (table for table in results.tables if table.key == key)
    found = {name: tuple(value for value in row if value is not None) for name, row in table.rows.items()}
    assert found == table.rows
    return found


def test_photo_to_labels_scores_the_translated_photos(run, results):
    workdir, _ = run
    photos, truth = read(workdir.parent / "data" / "testB", "bmp"), read(workdir.parent / "data" / "testA", "png")
    made = inference.load_generator(workdir, "BtoA", 2).translate_uint8(np.stack(photos))
    ids, answers = (nearest_class(images, palette.color_array()) for images in (np.stack(truth), made))
    found = rows(results[2], "photo_to_labels")
    assert found["model"][0] == pytest.approx((answers == ids).mean())
    assert list(found) == ["model", "constant map", "shuffled"]
    # The horizons differ, so the constant map is neither perfect nor useless.
    assert 0.5 < found["constant map"][0] < 1


def test_labels_to_photo_scores_the_segmented_translations(run, results):
    workdir, _ = run
    truth = np.stack(read(workdir.parent / "data" / "testA", "png"))
    made = inference.load_generator(workdir, "AtoB", 2).translate_uint8(truth)
    right = scenes.read_photos(made) == nearest_class(truth, palette.color_array())
    found = rows(results[2], "labels_to_photo")
    assert found["model"][0] == pytest.approx(right.mean())
    # The two rows next to the horizon are blurred by the resize.
    assert found["real photos"][0] > 0.9
    assert found["real photos"][2] > found["model"][2]
    assert list(found) == ["model", "real photos", "constant map", "shuffled"]
    assert found["constant map"] == rows(results[2], "photo_to_labels")["constant map"]


def test_distances_compare_translations_with_real_images(run, results):
    workdir, _ = run
    folder = workdir.parent / "data"
    labels, photos = np.stack(read(folder / "testA", "png")), np.stack(read(folder / "testB", "bmp"))
    real = scenes.mean_colours(photos)
    against = {
        "A -> B": inference.load_generator(workdir, "AtoB", 2).translate_uint8(labels),
        "real training B": np.stack(read(folder / "trainB", "bmp")),
        "A untranslated": labels,
    }
    found = rows(results[2], "distance_to_B")
    assert list(found) == list(against)
    for name, images in against.items():
        features = scenes.mean_colours(images)
        expected = frechet_distance(features, real), kernel_distance(features, real)
        assert found[name] == pytest.approx(expected, rel=1e-6, abs=1e-9), name
    # Real images are closer to real images than untranslated ones.
    assert found["real training B"][0] < found["A untranslated"][0] / 2
    assert rows(results[2], "distance_to_A")["B untranslated"] == pytest.approx(found["A untranslated"])


def test_the_files_contain_the_results(run, results):
    workdir, _ = run
    for step in (1, 2):
        folder = workdir / "evaluation" / f"step_{step:07d}"
        scores = json.loads((folder / "scores.json").read_text())
        assert (scores["step"], scores["images"]) == (step, {"A": 4, "B": 4})
        assert scores["settings"]["segmenter"] == SETTINGS.segmenter
        for name, value in results[step].scores.items():
            key, column = name.split("/")
            assert scores[key]["model"][column] == pytest.approx(value, abs=1e-6)
        controls = read_controls(workdir, step)
        assert set(controls) == set(results[step].records)
        assert controls["cycle_l1_A"] == {
            "mean colour": scores["reconstruction_A"]["mean_colour"]["l1"],
            "shuffled": scores["reconstruction_A"]["shuffled"]["l1"],
        }
        assert scores["photo_to_labels"]["per_class"]["sky"]["share"] > 0.2
        for key in ("photo_to_labels", "labels_to_photo"):
            for row in ("model", "constant_map", "shuffled"):
                found = scores[key][row]  # of the 19 classes, the scenes show road and sky
                for score in ("class_accuracy", "class_iou"):
                    assert found[f"{score}_19"] == pytest.approx(found[score] * 2 / 19, abs=2e-6)
        assert "count as 0 in the columns of 19" in (folder / "scores.md").read_text()
        assert "| photo -> labels" in (folder / "scores.md").read_text()
        with Image.open(folder / "photo_to_labels.png") as picture:
            assert picture.size == (3 * 128 + 2 * 4, 24 + 4 * 128 + 3 * 4)
            pixels = np.asarray(picture)
            shown = {tuple(color) for color in pixels[24:152, 132:260].reshape(-1, 3).tolist()}
            assert shown <= set(palette.COLORS), "the answer must be drawn in the colours of its classes"
            np.testing.assert_array_equal(pixels[24:152:8, 264::8], read(workdir.parent / "data" / "testA", "png")[0])
        for name in ("labels_to_photo", "translations_A", "translations_B", "photo_to_labels_classes"):
            with Image.open(folder / f"{name}.png") as picture:
                assert np.asarray(picture).std() > 10
    with Image.open(workdir / "evaluation" / "curves.png") as picture:
        assert picture.width > 1000


def test_the_run_records_the_best_checkpoint_by_each_score(run, results):
    workdir, _ = run
    best = scores.best_steps(workdir, [1, 2])
    assert set(best) == {
        "photo_to_labels_class_iou",
        "labels_to_photo_class_iou[tests.evaluation.scenes:read_photos]",
        *(f"{k}_{d}[tests.evaluation.scenes:mean_colours]" for k in ("fid", "kid") for d in "AB"),
        "cycle_l1_A",
        "cycle_l1_B",
    }
    values = {step: results[step].scores["reconstruction_A/l1"] for step in (1, 2)}
    assert best["cycle_l1_A"] == min(values, key=values.__getitem__)


def test_the_command_prints_tables(run, results, capsys):
    workdir, _ = run
    flags = ["--images=3", "--features=none", "--segmenter=tests.evaluation.scenes:read_nothing"]
    assert cli.main(["evaluate", "--run", str(workdir), "--steps=1", *flags]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{workdir} at step 1, test images: 3 of A and 3 of B\n")
    assert text.endswith(f"\n\nwritten to {workdir / 'evaluation' / 'step_0000001'}\n")
    for part in (
        "| constant map ",
        "| sky ",
        "| mean colour ",
        "| A -> B -> A ",
        "scores no better than the constant map",
    ):
        assert part in text, part
    assert "FID" not in text
    # Scores of a part of the images are recorded under names of their own.
    assert "cycle_l1_A[3 images]" in scores.read(workdir)


def test_several_steps_are_compared_and_the_best_marked(run, run_results, results):
    text = report(run_results)
    (line,) = (line for line in text.splitlines() if line.startswith("| reconstruction of A: L1"))
    cells = [cell.strip() for cell in line.strip("|").split("|")][1:]
    values = [results[step].scores["reconstruction_A/l1"] for step in (1, 2)]
    assert [float(cell.rstrip("*")) for cell in cells] == pytest.approx(values, abs=1e-4)
    assert [cell.endswith("*") for cell in cells] == [value == min(values) for value in values]
    assert text.endswith(f"\n\nwritten to {run[0] / 'evaluation' / 'curves.png'} and the folders beside it")


def test_a_run_of_ordinary_photos_of_any_size(run, tmp_path, capsys):
    _, config = run
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for index, size in enumerate([(16, 16), (16, 20 if split == "testA" else 16), (16, 16), (16, 16)]):
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / split / f"{split}{index}.png")
    data = dataclasses.replace(config.data, dir=str(tmp_path / "data"), labels=None, preprocess="crop")
    scenes.save_run(dataclasses.replace(config, data=data), tmp_path / "run")
    assert cli.main(["evaluate", "--run", str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out
    assert "reconstruction of A" in text
    assert "photo -> labels" not in text
    assert "No FID and KID: they need `pip install 'cyclegan-jax[fid]'`" in text
    with Image.open(tmp_path / "run" / "evaluation" / "step_0000001" / "translations_A.png") as picture:
        assert picture.size == (3 * 160 + 2 * 4, 24 + 4 * 128 + 3 * 4)
    with pytest.raises(UserError, match=r"--segmenter is given, but the run has no label domain"):
        evaluate_run(tmp_path / "run", SETTINGS)


def test_label_maps_without_pairs_leave_the_other_scores(run, tmp_path, capsys):
    workdir, _ = run
    shutil.copytree(workdir.parent / "data", tmp_path / "data")
    for index in range(4):
        (tmp_path / "data" / "testB" / f"scene{index}.bmp").rename(tmp_path / "data" / "testB" / f"photo{index}.bmp")
    assert cli.main(["evaluate", "--run", str(workdir), "--data-dir", str(tmp_path / "data")]) == 0
    text = capsys.readouterr().out
    assert "No label scores: no test image of A has a partner in B" in text
    assert "reconstruction of B" in text
    with pytest.raises(UserError, match="no test image of A has a partner in B"):
        evaluate_run(workdir, SETTINGS, data_dir=str(tmp_path / "data"))


def test_wrong_steps_and_missing_data_are_refused(run, tmp_path, capsys):
    workdir, _ = run
    for steps, message in {
        "newest": "--steps is 'newest', but it must be all, or steps",
        "1,7": "no checkpoint of step 7; it has 1, 2",
    }.items():
        assert cli.main(["evaluate", "--run", str(workdir), "--steps", steps]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(UserError, match="nowhere"):
        evaluate_run(workdir, Settings(), data_dir=str(tmp_path / "nowhere"))


def test_a_damaged_checkpoint_is_left_out_of_several(run, tmp_path, log_lines):
    workdir, _ = run
    copy = shutil.copytree(workdir, tmp_path / "copy")
    files = [path for path in (copy / "checkpoints" / "1").rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    settings = dataclasses.replace(SETTINGS, segmenter=None, features="none")
    found = evaluate_run(copy, settings, steps="all")
    assert set(found.by_step) == {2}
    assert found.curves is not None and found.curves.is_file()
    assert log_lines[0].startswith("left out: ")
    with pytest.raises(UserError, match="damaged"):
        evaluate_run(copy, settings, steps="1")
