"""Odd image files in training and in `translate`: each is read or named, and nothing ends in a traceback."""

import re
from pathlib import Path

import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.data.batches import train_iterator
from cyclegan_jax.data.decode import decode_example
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.train_images import TrainImages
from cyclegan_jax.errors import UserError
from tests.helpers.odd_images import odd_images

# Pillow warns about some damaged files, and reads them.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set: odd images in A, one whole image in B."""
    folder: Path = tmp_path_factory.mktemp("odd")
    made = odd_images()
    (folder / "trainA").mkdir()
    (folder / "trainB").mkdir()
    for name, content in made.items():
        (folder / "trainA" / name).write_bytes(content)
    (folder / "trainB/whole.png").write_bytes(made["png_whole.png"])
    return folder


def config(folder: Path, on_error: str) -> TrainConfig:
    return TrainConfig(
        data=DataConfig(dir=str(folder), image_size=16, load_size=18, threads=2, on_error=on_error),  # type: ignore[arg-type]
        generator=GeneratorConfig(blocks=0, width=2),
        discriminator=DiscriminatorConfig(width=2, n_layers=1),
        batch_size=16,
    )


@pytest.fixture(scope="module")
def broken(folder: Path) -> set[str]:
    """The names of the files that cannot be used, found one by one; each error names its file."""
    experiment = config(folder, "stop")
    split = open_dataset(experiment.data).train_A
    names = set()
    for index in range(len(split)):
        path = Path(split[index].name)
        try:
            TrainImages(split, experiment, "A")._prepared(index)
        except UserError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            names.add(path.name)
    return names


def test_there_are_many_odd_images(folder: Path, broken: set[str]) -> None:
    names = {path.name for path in (folder / "trainA").iterdir()}
    assert len(names) >= 80
    assert len(open_dataset(config(folder, "stop").data).train_A) == len(names)
    whole = {name for name in names if "_whole." in name or "_in." in name or name.startswith(("turned", "animated"))}
    assert not whole & broken
    assert {name for name in names if "_empty." in name or "_zeros." in name or "header_only" in name} <= broken


def test_a_stated_range_reads_or_names_each_image(folder: Path) -> None:
    data = DataConfig(dir=str(folder), image_size=16, load_size=18, range_A=(0.0, 255.0))
    split = open_dataset(data).train_A
    read = 0
    for index in range(len(split)):
        try:
            decode_example(split[index], data, "A")
            read += 1
        except UserError as error:
            assert split[index].name in str(error)
    assert read > 40


def test_training_skips_and_names_each_broken_image(folder: Path, broken: set[str]) -> None:
    experiment = config(folder, "skip")
    batches = train_iterator(open_dataset(experiment.data), experiment)
    for _ in range(-(-len(odd_images()) // experiment.batch_size) + 1):
        next(batches)
    named = {Path(path).name for path in re.findall(r"\S+/trainA/\S+", " ".join(batches.skipped))}
    batches.close()
    assert named == broken


def test_training_stops_at_a_broken_image(folder: Path, broken: set[str]) -> None:
    experiment = config(folder, "stop")
    batches = train_iterator(open_dataset(experiment.data), experiment)
    with pytest.raises(UserError, match=r"^the (image|array) \S+/trainA/\S+ ") as caught:
        for _ in range(len(odd_images())):
            next(batches)
    batches.close()
    assert any(f"/trainA/{name} " in str(caught.value) for name in broken)


def test_translate_reads_or_names_each_image(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = config(folder, "stop")
    with CheckpointWriter(tmp_path / "run", experiment) as opened:
        opened.save(state.create(experiment, optimizer.adam(experiment.optimizer)), {"pairs": 0})
    # Files of one name and several endings would become one result.
    inputs = tmp_path / "inputs"
    for name, content in odd_images().items():
        path = inputs / name.replace(".", "_") / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    out = tmp_path / "out"
    command = ["translate", "--run", str(tmp_path / "run"), "--input", str(inputs), "--output", str(out), "--gallery"]
    assert cli.main([*command, "--max_size=32"]) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert f"all files that were not read are named in {out}/skipped.txt" in said.out
    named = {Path(path).name for path in re.findall(r"\S+/inputs/\S+", (out / "skipped.txt").read_text())}
    made = {path.parent.name for path in out.rglob("*.*") if path.parent != out}
    assert named
    for name in odd_images():
        assert (name in named) != (name.replace(".", "_") in made), name
