"""Paired scores: equal to plain ones in float64, with controls, a file of single images, and the best checkpoint."""

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cyclegan_jax.checkpoints import scores
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig, Direction, TrainConfig
from cyclegan_jax.data.dataset import EMPTY, Dataset, Example, MemorySplit
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.resize import resize
from cyclegan_jax.evaluation import test_split as splits
from cyclegan_jax.evaluation.evaluate_run import evaluate_run
from cyclegan_jax.evaluation.evaluator import Settings
from cyclegan_jax.evaluation.paired import PairedScores, Watched
from cyclegan_jax.evaluation.results import Results
from cyclegan_jax.inference.generator import load_generator
from cyclegan_jax.training.evaluation import TrainingEvaluation
from tests.evaluation import scenes
from tests.helpers.examples import example

FLOAT32 = np.dtype(np.float32)
NUMBER = 3
"""Pairs; with the one image that is alone, batches have the size of those in other tests, and need no compilation."""

Run = tuple[Path, TrainConfig]


def smooth(rng: np.random.Generator) -> np.ndarray:
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return np.asarray(small.resize((16, 16), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two checkpoints on pictures (A) and their halved negatives (B); one test image of A has no partner."""
    root = tmp_path_factory.mktemp("paired")
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for domain in "AB":
            (root / "data" / f"{split}{domain}").mkdir(parents=True)
        for index in range(NUMBER):
            picture = smooth(rng)
            Image.fromarray(picture).save(root / "data" / f"{split}A" / f"{index}_A.png")
            Image.fromarray((255 - picture) // 2).save(root / "data" / f"{split}B" / f"{index}_B.png")
        Image.fromarray(smooth(rng)).save(root / "data" / f"{split}A" / "alone_A.png")
    data = DataConfig(dir=str(root / "data"), image_size=16, load_size=18)
    config = dataclasses.replace(scenes.config(root / "data"), data=data)
    scenes.save_run(config, root / "run", 2)
    return root / "run", config


@pytest.fixture(scope="module")
def results(run: Run) -> Mapping[int, Results]:
    return evaluate_run(run[0], Settings(features="none"), steps="all").by_step


def unit(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, np.float64) / 255


def plain(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """L1, PSNR and SSIM of two images in [0, 1] by scikit-image, in float64."""
    first = first.astype(np.float64)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2}
    return (
        float(np.abs(first - second).mean()),
        float(peak_signal_noise_ratio(second, first, data_range=1)),
        float(structural_similarity(first, second, data_range=1, **window)),
    )


@pytest.mark.parametrize(("direction", "source", "target"), [("AtoB", "A", "B"), ("BtoA", "B", "A")])
def test_scores_and_controls_are_the_plain_ones(
    run: Run, results: Mapping[int, Results], direction: Direction, source: str, target: str
) -> None:
    workdir, config = run
    folder = Path(str(config.data.dir))
    inputs, partners = ([unit(folder / f"test{d}" / f"{i}_{d}.png") for i in range(NUMBER)] for d in (source, target))
    generate = load_generator(workdir, direction, 2)
    made = [(np.asarray(generate((image[None] * 2 - 1).astype(np.float32)))[0] + 1) / 2 for image in inputs]
    flat = np.broadcast_to(np.mean(partners, axis=(0, 1, 2)), partners[0].shape)
    expected = {
        f"{source} -> {target}": [plain(*pair) for pair in zip(made, partners, strict=True)],
        f"{source} untranslated": [plain(*pair) for pair in zip(inputs, partners, strict=True)],
        "mean colour": [plain(flat, partner) for partner in partners],
        "shuffled": [plain(image, partners[(i - NUMBER // 2) % NUMBER]) for i, image in enumerate(made)],
    }
    (table,) = (table for table in results[2].tables if table.key == f"paired_{direction}")
    assert list(table.rows) == list(expected)
    for title, values in expected.items():
        assert table.rows[title] == pytest.approx(np.mean(values, axis=0), abs=2e-4), title
    assert len(set(table.rows.values())) == 4
    partial = "3 of 4 test images of A have a partner: these are scored."
    assert [note for note in table.notes if "have a partner" in note] == ([partial] if source == "A" else [])


def test_a_file_has_the_scores_of_each_pair(run: Run, results: Mapping[int, Results]) -> None:
    folder = run[0] / "evaluation" / "step_0000002"
    for direction, names in (("AtoB", ("_A.png", "_B.png")), ("BtoA", ("_B.png", "_A.png"))):
        rows = list(csv.DictReader(io.StringIO((folder / f"paired_{direction}.csv").read_text())))
        assert [(row["image"], row["partner"]) for row in rows] == [
            (f"{i}{names[0]}", f"{i}{names[1]}") for i in range(3)
        ]
        for name in ("l1", "psnr", "ssim"):
            mean = np.mean([float(row[name]) for row in rows])
            assert mean == pytest.approx(results[2].scores[f"paired_{direction}/{name}"], abs=1e-5)
    saved = json.loads((folder / "scores.json").read_text())
    assert saved["paired_AtoB"]["pairs"] == 3
    assert set(saved["controls"]["paired_ssim_AtoB"]) == {"A untranslated", "mean colour", "shuffled"}
    with Image.open(folder / "paired_AtoB.png") as picture:
        assert picture.size == (3 * 128 + 2 * 4, 24 + 3 * 128 + 2 * 4)


def test_the_command_prints_the_tables(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "--run", str(run[0]), "--steps=1", "--features=none"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for start in ("| A -> B and partner |", "| A untranslated ", "| B -> A and partner |"):
        (line,) = (line for line in lines if line.startswith(start))
        assert len(line) <= 80


def test_the_best_checkpoint_is_chosen_by_them(run: Run, results: Mapping[int, Results], log_lines: list[str]) -> None:
    workdir, _ = run
    recorded = scores.read(workdir)
    assert {f"paired_{name}_{way}" for name in ("l1", "psnr", "ssim") for way in ("AtoB", "BtoA")} <= set(recorded)
    mean = {step: sum(found.scores[f"paired_{way}/l1"] for way in ("AtoB", "BtoA")) for step, found in results.items()}
    assert scores.best_step(workdir, [1, 2]) == min(mean, key=mean.__getitem__)
    assert log_lines[-1].endswith("by paired_l1_AtoB + paired_l1_BtoA")
    ssim = {step: found.scores["paired_BtoA/ssim"] for step, found in results.items()}
    assert scores.best_step(workdir, [1, 2], "paired_ssim_BtoA") == max(ssim, key=ssim.__getitem__)


def test_a_training_logs_them(run: Run, log_lines: list[str]) -> None:
    workdir, config = run
    evaluate = TrainingEvaluation(config, open_dataset(config.data), workdir)
    params = {way: load_generator(workdir, way, 2).params for way in ("AtoB", "BtoA")}
    found = evaluate(2, params)
    assert found["paired_AtoB/psnr"] > 0
    assert "paired_l1_AtoB " in log_lines[-1]


def test_a_part_of_the_images_keeps_pairs_and_adds_others(run: Run) -> None:
    _, config = run
    data = open_dataset(config.data)
    assert splits.load(data, config.data, 3).pairs == ((0, 0), (1, 1), (2, 2))
    few = Dataset(data.train_A, data.train_B, data.test_A, scenes_of("0", "x", "y", "z"))
    part = splits.load(few, config.data, 3)
    assert part.names == {"A": ["0_A.png", "1_A.png", "2_A.png"], "B": ["0.png", "x.png", "y.png"]}
    assert part.pairs == ((0, 0),)


def scenes_of(*names: str) -> MemorySplit:
    rng = np.random.default_rng(7)
    return MemorySplit(tuple(example(smooth(rng), f"{name}.png") for name in names))


def split_of(config: DataConfig, test_A: MemorySplit, test_B: MemorySplit) -> splits.TestSplit:
    return splits.load(Dataset(EMPTY, EMPTY, test_A, test_B), config)


def scored(split: splits.TestSplit, fakes: Callable[[int], np.ndarray]) -> tuple[PairedScores, Watched]:
    """The scores of translations of A, given by the place of their image."""
    paired = PairedScores(split, "AtoB", FLOAT32)
    watched = paired.watch()
    for place in range(len(split.images["A"])):
        watched([place], jnp.asarray(fakes(place)[np.newaxis]))
    return paired, watched


def test_another_size_is_resized_to_the_partners() -> None:
    rng = np.random.default_rng(1)
    config = DataConfig(preprocess="none", image_size=8)
    wide, tall = (rng.integers(0, 256, size, dtype=np.uint8) for size in ((12, 20, 3), (20, 12, 3)))
    same = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    split = split_of(
        config,
        MemorySplit((example(wide, "a.png"), example(same, "b.png"))),
        MemorySplit((example(tall, "a.png"), example(same, "b.png"))),
    )
    fakes = [rng.uniform(-1, 1, (12, 20, 3)).astype(np.float32) for _ in range(2)]
    paired, watched = scored(split, lambda place: fakes[place])
    values = watched.measures["model"]["l1"]
    resized = np.clip(resize(fakes[0], 20, 12, nearest=False), -1, 1)
    assert values[0] == pytest.approx(np.abs((resized + 1) / 2 - tall / 255).mean(), rel=1e-5)
    assert values[1] == pytest.approx(np.abs((fakes[1] + 1) / 2 - same / 255).mean(), rel=1e-5)
    table = paired.table(watched)
    assert "The sizes of 1 of 2 pairs differ: the translation is resized to its partner." in table.notes
    untranslated = (np.abs(resize(wide, 20, 12, nearest=False) / 255.0 - tall / 255).mean() + 0) / 2
    assert table.rows["A untranslated"][0] == pytest.approx(untranslated, rel=1e-5)
    assert table.rows["shuffled"][0] is None, "each partner is the only one of its size"


def deep_example(pixels: np.ndarray, name: str) -> Example:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return Example(stream.getvalue(), name)


def test_ranges_and_channels_of_a_domain_count(tmp_path: Path) -> None:
    """From RGB to 12 bits of gray: a difference of 409.5 is a tenth of the range, and inputs cannot be compared."""
    config = DataConfig(channels_B=1, range_B=(0, 4095), image_size=16)
    deep = [np.full((16, 16), value, np.uint16) for value in (1000, 3000)]
    split = split_of(
        config,
        scenes_of("0", "1"),
        MemorySplit(tuple(deep_example(pixels, f"{i}.png") for i, pixels in enumerate(deep))),
    )
    paired, watched = scored(split, lambda i: (deep[i][..., None] + np.float32(409.5)) / np.float32(2047.5) - 1)
    table = paired.table(watched)
    assert list(table.rows) == ["A -> B", "mean colour", "shuffled"]
    assert table.rows["A -> B"][:2] == pytest.approx((0.1, 20.0), rel=1e-4)
    assert table.rows["mean colour"][0] == pytest.approx(1000 / 4095, rel=1e-4)


def test_names_may_hold_anything() -> None:
    odd = 'a,"b"\udcff'
    split = split_of(DataConfig(image_size=8), scenes_of(odd), scenes_of(odd))
    paired, watched = scored(split, lambda place: np.zeros((8, 8, 3), np.float32))
    content = paired.csv(watched)
    (row,) = csv.DictReader(io.StringIO(content.decode(errors="surrogateescape")))
    assert row["image"] == row["partner"] == f"{odd}.png"
    assert row["ssim"] == "", "the image is smaller than SSIM's window"


def test_pairs_that_are_none_are_told() -> None:
    """The translation of each image is the partner of the other one."""
    split = split_of(DataConfig(image_size=16), scenes_of("0", "1"), scenes_of("0", "1"))
    partners = [split.images["B"][1 - i] / np.float32(127.5) - 1 for i in range(2)]
    paired, watched = scored(split, lambda place: partners[place])
    table = paired.table(watched)
    assert table.rows["shuffled"][0] == pytest.approx(0, abs=1e-6)
    assert table.notes[-1].endswith("or images of the same name are no pairs.")


def test_unpaired_photos_have_no_paired_scores(run: Run, tmp_path: Path) -> None:
    workdir, _ = run
    for split in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / split / "more").mkdir(parents=True)
        for index in range(4):
            Image.fromarray(smooth(np.random.default_rng(index))).save(tmp_path / split / f"{split}{index}.png")
    found = evaluate_run(workdir, Settings(features="none"), data_dir=str(tmp_path)).by_step[2]
    assert not any(name.startswith("paired") for name in (*found.scores, *found.pictures, *found.files))
    assert not any("paired" in note for note in found.notes)
    (tmp_path / "testA" / "testA0.png").rename(tmp_path / "testA" / "more" / "testA3.png")
    found = evaluate_run(workdir, Settings(features="none"), data_dir=str(tmp_path)).by_step[2]
    (note,) = (note for note in found.notes if "paired" in note)
    assert note.startswith("No paired scores: the test images ") and "have the same name" in note
