"""A generator as a file or folder of its own: whole, provable, and loadable from anywhere."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from cyclegan_jax import load_generator, optimizer, state
from cyclegan_jax.checkpoints import scores
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli import export
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference.generator import Generator
from tests.conftest import tiny_config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("pretrained") / "secret-folder" / "work"
    data = DataConfig(dir=str(workdir.parent / "photos"), image_size=24, load_size=26, channels_B=1)
    config = tiny_config(data=data, ema_decay=0.5)
    fresh = state.create(config, optimizer.adam(config.optimizer))
    with CheckpointWriter(workdir, config) as writer:
        writer.save(fresh, {"pairs": 0})
    scores.record_score(workdir, 0, "fid_B", 12.5, better="lower")
    (workdir / "samples").mkdir()
    Image.new("RGB", (8, 8)).save(workdir / "samples" / "step_0000000.png")
    return workdir


@pytest.fixture
def model(run: Path, tmp_path: Path) -> Path:
    load_generator(run, "BtoA").save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def outputs(generator: Generator) -> np.ndarray:
    images = np.linspace(-1, 1, 8 * 12 * 1, dtype=np.float32).reshape(1, 8, 12, 1)
    return np.asarray(generator(images))


def test_a_folder_a_file_and_copies_of_them_load(run: Path, model: Path, tmp_path: Path) -> None:
    expected = outputs(load_generator(run, "BtoA"))
    moved = shutil.copytree(model, tmp_path / "anywhere" / "under any name")
    lone = shutil.copy(model / "model.safetensors", tmp_path / "mine.safetensors")
    for path in (model, str(moved), lone):
        loaded = load_generator(path)
        assert (loaded.direction, loaded.step, loaded.domains) == ("BtoA", 0, ("B", "A"))
        np.testing.assert_array_equal(outputs(loaded), expected)
    assert outputs(load_generator(model)).shape[-1] == 3


def test_a_copied_checkpoint_of_any_name_loads(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run / "checkpoints" / "0", tmp_path / "my best model")
    loaded = load_generator(copy, "BtoA", step=0)
    np.testing.assert_array_equal(outputs(loaded), outputs(load_generator(run, "BtoA")))
    with pytest.raises(UserError, match="my best model is the checkpoint of step 0, but step is 5: leave one of them"):
        load_generator(copy, step=5)
    # Within a run the name is what chooses the step, so there it must be right.
    wrong = shutil.copytree(run, tmp_path / "other")
    (wrong / "checkpoints" / "0").rename(wrong / "checkpoints" / "27000")
    with pytest.raises(UserError, match="it holds step 0, not step 27000"):
        load_generator(wrong)


def test_paths_of_the_machine_stay_there(model: Path) -> None:
    for file in model.iterdir():
        assert b"secret-folder" not in file.read_bytes(), file
    assert load_generator(model).config.data.dir == "photos"


def test_the_folder_has_a_card(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "zebras"
    checkpoint = run / "checkpoints" / "0"
    assert cli.main(["export", "--run", str(checkpoint), "--direction", "BtoA", "--output", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: BtoA of step 0, 0.")
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    ]
    card = (out / "README.md").read_text()
    for part in ("# zebras", "photos/trainB -> photos/trainA", "| fid_B | 12.5 |", "![samples](samples.png)"):
        assert part in card
    assert json.loads((out / "config.json").read_text())["direction"] == "BtoA"


def test_the_card_of_a_trained_model_shows_no_untrained_samples(run: Path) -> None:
    assert export._sample(run, 0) == {"samples.png": (run / "samples" / "step_0000000.png").read_bytes()}
    assert export._sample(run, 3) == {}


def test_export_of_a_file_and_existing_outputs(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["export", "--run", str(run), "--output", str(tmp_path / "new" / "one.safetensors")]
    assert cli.main(args) == 0
    before = (tmp_path / "new" / "one.safetensors").read_bytes()
    assert cli.main(args) == 2
    assert "one.safetensors exists already: choose another --output, or replace it with --overwrite" in (
        capsys.readouterr().err
    )
    assert cli.main([*args, "--overwrite"]) == 0
    assert (tmp_path / "new" / "one.safetensors").read_bytes() == before
    assert cli.main(["export", "--run", str(run), "--output", str(tmp_path / "new" / "one.safetensors" / "x")]) == 2
    assert "one.safetensors" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds a model already: choose another folder, or replace it with overwrite"):
        for _ in range(2):
            load_generator(run).save_pretrained(tmp_path / "twice")


def test_translate_takes_it(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (20, 12), 90).save(tmp_path / "gray.png")
    args = ["translate", "--run", str(model), "--input", str(tmp_path / "gray.png"), "--output", str(tmp_path / "out")]
    assert cli.main([*args, "--gallery"]) == 0
    with Image.open(tmp_path / "out" / "gray.png") as picture:
        assert (picture.size, picture.mode) == ((20, 12), "RGB")
    assert 'data-kind="reconstruction"' not in (tmp_path / "out" / "gallery.html").read_text()
    assert cli.main([*args, "--overwrite", "--direction=AtoB"]) == 2
    assert "is a generator of direction BtoA, but direction is AtoB: leave direction out" in capsys.readouterr().err
    # Paths are read, and give Pillow pictures.
    made = load_generator(model).translate([tmp_path / "gray.png", tmp_path / "gray.png"])
    with Image.open(tmp_path / "out" / "gray.png") as picture:
        np.testing.assert_array_equal(np.asarray(made[1]), np.asarray(picture))
    assert isinstance(load_generator(model).translate(str(tmp_path / "gray.png")), Image.Image)
    with pytest.raises(UserError, match=r"the image .*none\.png"):
        load_generator(model).translate(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content[:-10], "is not a whole safetensors file: copy or export it again"),
        (lambda content: b"text", "is not a whole safetensors file"),
        (lambda content: content[:-4] + b"\0\0\0\1", "is damaged .the array .* is not what was written"),
        (lambda content: content.replace(b'\\"step\\": 0', b'\\"step\\": 7'), "the header of .* is damaged"),
        (
            lambda content: safetensors.numpy.save({"a": np.zeros(3)}),
            "was not exported by cyclegan-jax: give the work directory of a run, or what `cyclegan-jax export` wrote",
        ),
    ],
)
def test_damage_is_one_sentence(model: Path, change, sentence: str) -> None:
    file = model / "model.safetensors"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(UserError, match=sentence):
        load_generator(file)


def test_an_edited_config_is_refused(model: Path) -> None:
    (model / "config.json").write_text((model / "config.json").read_text().replace('"step": 0', '"step": 9'))
    with pytest.raises(
        UserError, match=r"config.json does not belong to the model.safetensors beside it, or was edited"
    ):
        load_generator(model)
    load_generator(model / "model.safetensors")


def test_weights_of_pytorch_have_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "official" / "latest_net_G_A.pth"
    file.parent.mkdir()
    file.write_bytes(b"PK")
    for path in (file, file.parent):
        with pytest.raises(UserError, match=r"latest_net_G_A.pth holds weights of PyTorch: make a run of them with"):
            load_generator(path)
    with pytest.raises(UserError, match="none has no checkpoints: give the work directory of a run"):
        load_generator(tmp_path / "none")
