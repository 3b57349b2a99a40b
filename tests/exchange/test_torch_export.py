"""`cyclegan-jax export` to PyTorch's files: their names, and that the import gives the run back."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from cyclegan_jax import load_discriminator, load_generator, optimizer, state
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig, GeneratorConfig
from tests.conftest import tiny_config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir, config = tmp_path_factory.mktemp("torch") / "run", tiny_config()
    with CheckpointWriter(workdir, config) as writer:
        writer.save(state.create(config, optimizer.adam(config.optimizer)), {"pairs": 0})
    return workdir


def test_all_networks_of_a_run_go_out_and_come_back(run: Path, tmp_path: Path) -> None:
    folder, back = tmp_path / "official", tmp_path / "back"
    assert cli.main(["export", "--run", str(run), "--format=torch", "--output", str(folder)]) == 0
    names = ["latest_net_D_A.pth", "latest_net_D_B.pth", "latest_net_G_A.pth", "latest_net_G_B.pth"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert cli.main(["import", str(folder), "--workdir", str(back)]) == 0
    pairs: list[Any] = [(load_generator(run, name), load_generator(back, name)) for name in ("AtoB", "BtoA")]
    # Exchanged discriminators, which the official names invite, would differ.
    judges: list[Any] = [(load_discriminator(run, name), load_discriminator(back, name)) for name in ("A", "B")]
    for before, after in [*pairs, *judges]:
        jax.tree.map(np.testing.assert_array_equal, before.params, after.params)


def test_what_the_program_would_compute_otherwise_stays_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # PyTorch-GAN pads the ends of its generator by the number of channels.
    generator = GeneratorConfig(blocks=1, width=4, upsample="resize")
    data = DataConfig(image_size=24, load_size=26, channels_A=1, channels_B=1)
    run, config = tmp_path / "run", tiny_config(data=data, generator=generator)
    with CheckpointWriter(run, config) as writer:
        writer.save(state.create(config, optimizer.adam(config.optimizer)), {"pairs": 0})
    for output in ("a.pth", "folder"):
        assert cli.main(["export", "--run", str(run), "--format=torch", "--output", str(tmp_path / output)]) == 2
        assert "generator.upsample is resize for images of 1 and 1 channels" in capsys.readouterr().err
        assert not (tmp_path / output).exists()


def test_one_generator(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.pth"
    assert cli.main(["export", "--run", str(run), "--direction=BtoA", "--output", str(file)]) == 0
    assert f"{file}: BtoA of step 0" in capsys.readouterr().out
    folder = tmp_path / "lone"
    assert cli.main(["export", "--run", str(run), "--direction=BtoA", "--format=torch", "--output", str(folder)]) == 0
    assert [path.name for path in folder.iterdir()] == ["latest_net_G.pth"]
    assert file.read_bytes() == (folder / "latest_net_G.pth").read_bytes()
    assert cli.main(["export", "--run", str(run), "--output", str(file)]) == 2
    assert "exists already: choose another --output, or replace it with --overwrite" in capsys.readouterr().err
    assert cli.main(["export", "--run", str(run), "--format=onnx", "--output", str(tmp_path / "a.pth")]) == 2
    assert "but --format is onnx: give --output a name that ends in .onnx" in capsys.readouterr().err
