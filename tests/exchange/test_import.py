"""`cyclegan-jax import`: what it refuses, with one sentence and nothing written, and how it finds its files."""

import dataclasses
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from cyclegan_jax import recipes
from cyclegan_jax.checkpoints import folders
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, LossConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import official_options, torch_export, torch_names, torch_writer
from cyclegan_jax.exchange.torch_names import OFFICIAL
from cyclegan_jax.networks import cyclegan, weights
from tests.conftest import tiny_config

Tensors = dict[str, np.ndarray]


def tensors(name: str = "G_A", **changes: Any) -> Tensors:
    """The tensors of one network of the official code, by its name there, with random weights."""
    config = dataclasses.replace(tiny_config(), **changes)
    slot = OFFICIAL[name]
    if slot[0] == "generators":
        network: Any = cyclegan.make_generator(config, slot[1], jax.random.key(0))
    else:
        network = cyclegan.make_discriminator(config, slot[1], jax.random.key(0))
    return torch_export.tensors(weights.params(network), config, slot)


def write(folder: Path, **networks: Tensors) -> Path:
    """Write networks by their official names."""
    folder.mkdir(exist_ok=True)
    for name, values in networks.items():
        (folder / f"latest_net_{name}.pth").write_bytes(torch_writer.encode(values))
    return folder


def refusal(capsys: pytest.CaptureFixture[str], workdir: Path, *args: str | Path) -> str:
    """The sentence with which the command refuses its arguments; nothing is written."""
    assert cli.main(["import", *map(str, args), "--workdir", str(workdir)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1, printed.err
    assert not workdir.exists()
    return printed.err.removeprefix("error: ").strip()


def changed(values: Tensors, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Tensors:
    return {key: change(value) if key == name else value for key, value in values.items()}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a generator as a discriminator": (
        {"G_A": tensors, "D_A": lambda: tensors("G_A")},
        "latest_net_D_A.pth holds a generator, but is given as a discriminator: check which file is which",
    ),
    "a discriminator as a generator": (
        {"G_A": lambda: tensors("D_A")},
        "latest_net_G_A.pth holds a discriminator, but is given as a generator",
    ),
    "a pair of two sizes": (
        {"G_A": tensors, "G_B": lambda: tensors("G_B", generator=GeneratorConfig(blocks=2, width=4))},
        "do not belong together: the two generators of a CycleGAN are alike, but these have blocks 1 and 2",
    ),
    "a pair of two kinds of discriminators": (
        {
            "G_A": tensors,
            "D_A": lambda: tensors("D_A"),
            "D_B": lambda: tensors("D_B", discriminator=DiscriminatorConfig(width=4, n_layers=2)),
        },
        "these have n_layers 3 and 2",
    ),
    "a discriminator of pairs": (
        {"G_A": tensors, "D_A": lambda: tensors("D_A") | {"model.0.weight": np.ones((4, 6, 4, 4), np.float32)}},
        "domain B has 3 channels in the one and 6 in the other; a discriminator of a training on pairs (pix2pix) sees",
    ),
    "channels that do not fit": (
        {"G_A": tensors, "D_B": lambda: tensors("D_B", data=DataConfig(channels_A=1))},
        "domain A has 3 channels in the one and 1 in the other",
    ),
    "only discriminators": ({"D_A": lambda: tensors("D_A")}, "there is no generator in"),
    "a StyleGAN": (
        {"G_A": lambda: {"synthesis.b4.conv1.weight": np.ones((4, 4, 3, 3), np.float32)}},
        "latest_net_G_A.pth seems to be a StyleGAN, from the tensor 'synthesis.b4.conv1.weight'",
    ),
    "another network": (
        {"G_A": lambda: {"a.weight": np.ones((4, 4), np.float32), "b": np.ones(3, np.float32)}},
        "holds no network of a CycleGAN that is known: its 2 tensors begin with 'a.weight', 'b'; give the generators",
    ),
    "values that are not finite": (
        {"G_A": lambda: changed(tensors(), "model.1.bias", lambda v: v + np.nan)},
        "latest_net_G_A.pth has values in the tensor 'model.1.bias' that are not finite in float32",
    ),
    "integers": (
        {"G_A": lambda: changed(tensors(), "model.4.weight", lambda v: v.astype(np.int8))},
        "has the tensor 'model.4.weight' of type int8: save the weights as float32",
    ),
    "a tensor that lacks": (
        {"G_A": lambda: {name: value for name, value in tensors().items() if name != "model.7.bias"}},
        "does not match the architecture inferred from its tensors: 'model.7.bias' missing",
    ),
    "a tensor too many": (
        {"G_A": lambda: tensors() | {"model.99.bias": np.ones(3, np.float32)}},
        "does not match the architecture inferred from its tensors: 'model.99.bias' unexpected",
    ),
    "a tensor of another shape": (
        {"G_A": lambda: changed(tensors(), "model.4.weight", lambda v: v[:, :3])},
        "has the tensor 'model.4.weight' of shape (8, 3, 3, 3), but the architecture inferred from its tensors has (8",
    ),
    "a bias of four axes": (
        {"G_A": lambda: changed(tensors(), "model.1.bias", lambda v: v[None, :, None, None])},
        "has the tensor 'model.1.bias' of shape (1, 4, 1, 1), but the architecture inferred from its tensors has (4,)",
    ),
    "values too large for float32": (
        {"G_A": lambda: changed(tensors(), "model.1.bias", lambda v: v.astype(np.float64) + 1e39)},
        "has values in the tensor 'model.1.bias' that are not finite in float32",
    ),
    "a head that lacks": (
        {"G_A": lambda: {name: value for name, value in tensors().items() if name != "model.18.weight"}},
        "does not match the architecture inferred from its tensors: 'model.18.weight' missing",
    ),
    "an index of thousands of digits": (
        {"G_A": lambda: tensors() | {f"model.{'1' * 5000}.weight": np.ones((1, 1, 1, 1), np.float32)}},
        " unexpected",
    ),
    "a network too wide": (
        {"G_A": lambda: {"model.1.weight": np.ones((100_000, 3, 7, 7), np.int8)}},
        "latest_net_G_A.pth holds a network that is not supported: generator.width is 100000",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_networks_that_make_no_cyclegan_are_refused(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    networks, sentence = CASES[case]
    folder = write(tmp_path / "nets", **{name: make() for name, make in networks.items()})
    assert sentence in refusal(capsys, tmp_path / "run", folder)


def test_files_that_hold_no_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return refusal(capsys, tmp_path / "run", tmp_path / name, "--direction=AtoB")

    assert "text.pth" in refused("text.pth", b"these are not weights\n" * 40)
    assert "empty.pth is empty" in refused("empty.pth", b"")
    empty_zip = tmp_path / "zip.pth"
    zipfile.ZipFile(empty_zip, "w").close()
    assert "zip.pth" in refused("zip.pth", empty_zip.read_bytes())
    whole = torch_writer.encode(tensors())
    assert "half.pth is damaged" in refused("half.pth", whole[: len(whole) // 2])


def test_what_the_options_say_of_sizes(tmp_path: Path) -> None:
    def data(name: str, **lines: str) -> DataConfig:
        (tmp_path / name).write_text(
            "".join(f"  {option}: {value}  \t[default: x]\n" for option, value in lines.items())
        )
        found = official_options.find(tmp_path)
        assert found is not None
        return found.apply(recipes.paper()).data

    # Somebody who tests does not crop: that says nothing about the training.
    tested = data("test_opt.txt", crop_size="64", load_size="64", direction="BtoA")
    assert (tested.image_size, tested.load_size) == (64, None)
    widened = data("train_opt.txt", crop_size="64", load_size="512", preprocess="scale_width")
    assert (widened.image_size, widened.load_size) == (64, 512)
    assert data("train_opt.txt", crop_size="64", load_size="512", preprocess="crop").load_size is None
    assert data("train_opt.txt", crop_size="64", preprocess="scale_shortside").preprocess == "scale_shorter"


def test_what_the_options_say_of_the_adversarial_loss(tmp_path: Path, log_lines: list[str]) -> None:
    def loss(**lines: str) -> LossConfig:
        (tmp_path / "opt.txt").write_text("".join(f"  {option}: {value}\n" for option, value in lines.items()))
        found = official_options.find(tmp_path)
        assert found is not None
        return found.apply(recipes.paper()).loss

    assert loss(gan_mode="vanilla") == loss(no_lsgan="True") == LossConfig(gan="vanilla")
    assert loss(gan_mode="hinge").gan == "hinge"
    assert loss(lambda_A="10.0") == loss(gan_mode="lsgan") == LossConfig()
    assert log_lines == []
    # The official code never applies the penalty that it defines.
    assert loss(gan_mode="wgangp") == LossConfig(gan="wgangp", gradient_penalty="none")
    assert "without a gradient penalty" in log_lines.pop()
    assert loss(gan_mode="own") == LossConfig()
    assert log_lines.pop().endswith("gan_mode was own; here a training goes on with lsgan")


def test_a_training_on_pairs_is_refused_by_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "nets", G=tensors())
    options = folder / "test_opt.txt"
    options.write_text("  model: pix2pix         \t[default: cycle_gan]\n")
    sentence = refusal(capsys, tmp_path / "run", folder, "--direction=AtoB")
    assert sentence.startswith(f"{options} says that the weights beside it are those of pix2pix")


def test_options_that_no_config_may_have_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "nets", G=tensors())
    options = folder / "train_opt.txt"
    options.write_text("  lr: fast\n")
    assert refusal(capsys, tmp_path / "run", folder, "--direction=AtoB").startswith(f"{options} has lr: 'fast'")
    options.write_text("  lr: -1\n")
    assert "optimizer.learning_rate is -1.0" in refusal(capsys, tmp_path / "run", folder, "--direction=AtoB")


def test_paths_and_flags_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert "no files named like latest_net_G_A.pth" in refusal(capsys, run, write(tmp_path / "none"))
    nets = write(tmp_path / "nets", G_A=tensors())
    assert "has no networks of --epoch 7: it has latest" in refusal(capsys, run, nets, "--epoch=7")
    twice = refusal(capsys, run, nets, nets / "latest_net_G_A.pth")
    assert "are the same network, the generator AtoB: give one of them" in twice
    assert "data.image_size is 250" in refusal(capsys, run, nets, "--image_size=250")
    assert "data.image_size is 250x256" in refusal(capsys, run, nets, "--image_size=250x256")
    assert "--image_size is 'wide', but it must be an integer, or height" in refusal(
        capsys, run, nets, "--image_size=wide"
    )
    assert "cannot be read (No such file or directory)" in refusal(capsys, run, tmp_path / "absent.pth")
    misspelt = refusal(capsys, run, "horse2zebras")
    assert "no file or folder horse2zebras, and there are no official weights named 'horse2zebras': did you" in misspelt
    assert "leave out --direction BtoA" in refusal(capsys, run, nets, "--direction=BtoA")
    assert "leave --epoch out" in refusal(capsys, run, nets / "latest_net_G_A.pth", "--epoch=7")
    os.mkfifo(tmp_path / "fifo.pth")
    assert "it is a FIFO, not a regular file" in refusal(capsys, run, tmp_path / "fifo.pth", "--direction=AtoB")
    assert "horse2zebra is a generator of direction AtoB" in refusal(capsys, run, "horse2zebra", "--direction=BtoA")


def test_a_run_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nets, run = write(tmp_path / "nets", G_A=tensors()), tmp_path / "run"
    assert cli.main(["import", str(nets), "--workdir", str(run)]) == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert cli.main(["import", str(nets), "--workdir", str(run)]) == 2
    assert f"error: {run} holds a run already: give another --workdir" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert folders.steps(run) == [0]


def test_weights_given_as_a_run_get_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nets = write(tmp_path / "nets", G_A=tensors())
    for path in (nets, nets / "latest_net_G_A.pth"):
        assert cli.main(["translate", "--run", str(path), "--input", str(nets), "--output", str(tmp_path / "o")]) == 2
        assert f"make a run of them with `cyclegan-jax import {path} --workdir RUN`" in capsys.readouterr().err


def test_the_networks_of_a_folder(tmp_path: Path) -> None:
    names = ["5_net_G_A", "10_net_G_A", "10_net_D_A", "latest_net_G_B", "notes", "G_AB_3", "D_A_3"]
    for name in names:
        (tmp_path / f"{name}.pth").touch()

    def found(epoch: str | None) -> dict[torch_names.Slot, str]:
        return {slot: path.stem for slot, path in torch_names.collect([tmp_path], epoch, None).items()}

    assert found(None) == {("generators", "BtoA"): "latest_net_G_B"}
    assert found("5") == {("generators", "AtoB"): "5_net_G_A"}
    # The official D_A judges what G_A makes; PyTorch-GAN's judges domain A.
    assert found("10") == {("generators", "AtoB"): "10_net_G_A", ("discriminators", "B"): "10_net_D_A"}
    assert found("3") == {("generators", "AtoB"): "G_AB_3", ("discriminators", "A"): "D_A_3"}
    (tmp_path / "latest_net_G_B.pth").unlink()
    assert found(None)["generators", "AtoB"] == "10_net_G_A"
    for name in ("iter_9000_net_G_A", "iter_10000_net_G_A", "10_net_D_B", "D_B_10"):
        (tmp_path / f"{name}.pth").touch()
    assert found(None) == {("generators", "AtoB"): "iter_10000_net_G_A"}
    with pytest.raises(UserError, match="by the names of the official code and of PyTorch-GAN"):
        found("10")


def test_a_config_of_a_run_is_an_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"seed": "many"}')
    assert cli.main(["train", "--config", str(path)]) == 2
    assert f"error: the config file {path} is not valid: seed is 'many'" in capsys.readouterr().err
    path.write_text("[1]")
    with pytest.raises(UserError, match=r"is not the config\.json of a run: give that, or a Python file"):
        from cyclegan_jax.cli.config_file import load_config_file

        load_config_file(path)
