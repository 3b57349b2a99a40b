"""Palettes as files and as text, and runs on label maps of a palette of one's own."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.data.dataset import MemorySplit
from cyclegan_jax.data.eval_images import eval_image
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.palette import BUILT_IN, CITYSCAPES, FACADES, Palette
from cyclegan_jax.data.palette_file import as_text, palette_of, stored
from cyclegan_jax.data.train_images import TrainImages
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.evaluate_run import evaluate_run
from cyclegan_jax.evaluation.evaluator import Settings
from cyclegan_jax.evaluation.results import Results
from cyclegan_jax.training.loop import train
from tests.evaluation import scenes
from tests.helpers.examples import example

LAND = Palette(("open water", "fields", "town"), ((0, 0, 200), (200, 200, 0), (200, 0, 0)), (255, 255, 255))
FILE = """# land use
open  water   0 0 200

fields\t200,200, 0
unlabelled 255 255 255
town 200 0 0
"""


def config(palette: object) -> DataConfig:
    return DataConfig(labels="A", palette=str(palette))


def test_a_file_is_read_and_stored_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "land.txt"
    file.write_text(FILE)
    assert palette_of(config(file)) == LAND
    kept = stored(config(file))
    assert kept.palette == "open water 0 0 200; fields 200 200 0; town 200 0 0; unlabelled 255 255 255"
    file.unlink()
    assert palette_of(kept) == LAND
    assert stored(kept) == kept


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_palettes_are_stored_by_name(name: str, tmp_path: Path) -> None:
    assert palette_of(config(name)) == BUILT_IN[name]
    assert stored(config(name)) == config(name)
    palette = BUILT_IN[name]
    file = tmp_path / "copy.txt"
    file.write_text("".join(f"{n} {r} {g} {b}\n" for n, (r, g, b) in zip(palette.names, palette.colors, strict=True)))
    assert as_text(palette_of(config(file))) == name


def test_black_is_unlabelled_unless_it_is_a_class() -> None:
    assert palette_of(config("a 1 1 1; b 2 2 2")).unlabelled == (0, 0, 0)
    assert palette_of(config("a 0 0 0; b 2 2 2")).unlabelled is None
    assert palette_of(config("a 0 0 0; b 2 2 2; unlabelled 9 9 9")).unlabelled == (9, 9, 9)
    assert as_text(palette_of(config("a 1 1 1; b 2 2 2; unlabelled 0 0 0"))) == "a 1 1 1; b 2 2 2"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "sky 1 2 3\nroad 1 2\n",
            r"\S+land\.txt has 'road 1 2' in line 2, which is no class: write NAME RED GREEN BLUE",
        ),
        ("sky 1 2 3\n\nroad 1 2 256\n", r"land\.txt has 'road 1 2 256' in line 3"),
        ("sky 1 2 3\n1 2 3\n", "has '1 2 3' in line 2"),
        ("sky 1 2 3\na|b 1 2 4\n", "has 'a|b 1 2 4' in line 2"),
        ("sky 1 2 3\na\x07b 1 2 4\n", r"has 'a\\x07b 1 2 4' in line 2"),
        ("sky 1 2 3\nsky 1 2 4\n", "land.txt has the name of line 1 again in line 2: change one of them"),
        ("sky 1 2 3\n# road\nroad 1 2 3\n", "land.txt has the colour of line 1 again in line 3"),
        ("sky 1 2 3\nroad 2 2 2\nunlabelled 1 2 3\n", "the colour of line 1 again in line 3"),
        ("", "land.txt has 0 classes, but it must have 2 to 254"),
        ("sky 1 2 3\nunlabelled 0 0 0\n", "land.txt has 1 classes"),
        ("".join(f"c{i} {i} 0 0\n" for i in range(255)), "land.txt has 255 classes"),
        ("\x00\udcff", "which is no file of a palette: give a text file in UTF-8"),
        ("#" * 70_000, "which is no file of a palette"),
    ],
    ids=range(13),
)
def test_an_error_has_the_file_and_the_line(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "land.txt"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=said.replace("|", r"\|")):
        palette_of(config(file))


def test_other_mistakes(tmp_path: Path) -> None:
    said = "data.palette is 'facade', but there is no such palette or file: give cityscapes or facades, or a file with"
    with pytest.raises(UserError, match=said):
        palette_of(config("facade"))
    with pytest.raises(UserError, match=r"data\.palette, 'sky 1 2 3; road 9', has 'road 9' in entry 2"):
        palette_of(config("sky 1 2 3; road 9"))
    with pytest.raises(UserError, match=r"--data\.palette: \S+ cannot be read \(it is a folder"):
        palette_of(config(tmp_path))
    with pytest.raises(UserError, match=r"data\.palette is 'facades', but data\.labels is None, .* --data\.labels=A"):
        DataConfig(palette="facades")


def test_training_and_test_images_are_snapped_to_it(tmp_path: Path) -> None:
    near = (
        np.array([[[10, 5, 190], [210, 190, 10]], [[190, 10, 0], [250, 250, 250]]], np.uint8).repeat(8, 0).repeat(8, 1)
    )
    picture = example(near, "0.png")
    file = tmp_path / "land.txt"
    file.write_text(FILE)
    data = dataclasses.replace(config(file), image_size=16, load_size=16, flip=False)
    expected = [[0, 0, 200], [200, 200, 0], [200, 0, 0], [255, 255, 255]]
    assert eval_image(picture, data, "A")[::8, ::8].reshape(-1, 3).tolist() == expected
    out = np.empty((16, 16, 3), np.uint8)
    TrainImages(MemorySplit((picture,)), TrainConfig(data=data), "A").write(0, out)
    assert out[::8, ::8].reshape(-1, 3).tolist() == expected


Run = tuple[Path, TrainConfig, Results]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of one step on maps of land use, whose palette file is gone; its config as typed, and its scores."""
    root = tmp_path_factory.mktemp("land")
    colors = np.array([*LAND.colors, LAND.unlabelled], np.uint8)
    for split in ("train", "test"):
        for domain in "AB":
            (root / "data" / f"{split}{domain}").mkdir(parents=True)
        for index in range(3):
            ids = np.random.default_rng(index).choice(4, (4, 4), p=(0.4, 0.3, 0.2, 0.1)).repeat(8, 0).repeat(8, 1)
            Image.fromarray(colors[ids]).save(root / "data" / f"{split}A" / f"{index}.png")
            gray = (60 * ids[..., None] + np.arange(3) * 5).astype(np.uint8)
            Image.fromarray(gray).save(root / "data" / f"{split}B" / f"{index}.png")
    (root / "land.txt").write_text(FILE)
    tiny = scenes.config(root / "data", steps=1, sample_minutes=0.0, pool_size=0)
    typed = dataclasses.replace(tiny, data=dataclasses.replace(tiny.data, palette=str(root / "land.txt")))
    train(typed, root / "run")
    (root / "land.txt").rename(root / "gone.txt")
    return root / "run", typed, evaluate_run(root / "run", Settings(features="none")).by_step[1]


def test_a_run_needs_the_file_no_more(run: Run) -> None:
    workdir, _, found = run
    text = as_text(LAND)
    assert open_checkpoint(workdir).config.data.palette == text
    assert json.loads((workdir / "config.json").read_text())["data"]["palette"] == text
    model = found.classes["photo_to_labels"].model
    assert model.names == LAND.names
    (table,) = (table for table in found.tables if table.key == "photo_to_labels")
    assert [column.title for column in table.columns][3:] == ["class accuracy of 3", "class IoU of 3"]
    assert table.columns[4].name == "class_iou_3"
    assert re.search(r"^\| open water +\| +\d", "\n".join(table.notes), re.M)
    white = open_dataset(open_checkpoint(workdir).config.data).test_A
    counted = sum(sum(row) for row in model.confusion)
    assert 0 < counted < len(white) * 16 * 16, "the unlabelled pixels are not scored"


def test_the_same_palette_resumes_the_run_and_another_does_not(run: Run, tmp_path: Path) -> None:
    workdir, typed, _ = run
    same = tmp_path / "same.txt"
    same.write_text((workdir.parent / "gone.txt").read_text() + "# the same\n")
    train(dataclasses.replace(typed, data=dataclasses.replace(typed.data, palette=str(same))), workdir)
    other = dataclasses.replace(typed, data=dataclasses.replace(typed.data, palette=as_text(LAND) + "; ice 9 200 250"))
    with pytest.raises(UserError, match=r"another config \(data\.palette open water 0 0 200; .* -> open water .*\)"):
        train(other, workdir)


def test_a_segmenter_of_streets_is_refused(run: Run) -> None:
    said = "--segmenter scores photos by the 19 classes of Cityscapes, but data.palette of the run has 3 other classes"
    with pytest.raises(UserError, match=said):
        evaluate_run(run[0], Settings(segmenter="tests.evaluation.scenes:read_photos", features="none"))


def test_old_configs_have_the_palette_of_cityscapes() -> None:
    assert palette_of(DataConfig(labels="A")) == CITYSCAPES != FACADES
