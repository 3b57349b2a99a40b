"""Networks of PyTorch become a run, compute the same there, and go back bit for bit."""

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cyclegan_jax import load_discriminator, load_generator
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.cli import main as cli
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.exchange import torch_export
from cyclegan_jax.exchange.torch_names import OFFICIAL, Slot
from tests.parity.exchange import nchw, nhwc
from tests.parity.official_networks import OfficialDiscriminator, OfficialGenerator

VARIANTS: dict[str, dict[str, Any]] = {
    "official": {},
    "official with dropout, gray to RGB": {"dropout": True, "channels": (1, 3)},
    "PyTorch-GAN": {"upsample": "resize", "block": "block"},
    "affine": {"norm": "instance_affine", "block": "block"},
    "batch": {"norm": "batch"},
    "no norm": {"norm": "none"},
}


def trained(network: nn.Module, seed: int) -> nn.Module:
    """Random values in every tensor: fresh biases and statistics would hide an error in their use."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, values in network.state_dict().items():
            if values.is_floating_point():
                drawn = 0.2 * torch.randn(values.shape, generator=generator)
                values.copy_(1 + drawn.abs() if name.endswith("running_var") else drawn)
    return network.eval()


def save(folder: Path, networks: dict[str, nn.Module]) -> None:
    for name, network in networks.items():
        torch.save(network.state_dict(), folder / f"{name}.pth")


def four(**variant: Any) -> dict[str, nn.Module]:
    """The networks of a CycleGAN by their official names."""
    channels = variant.pop("channels", (3, 3))
    norm = variant.get("norm", "instance")
    pytorch_gan = variant.get("upsample") == "resize"

    def judge(number: int) -> nn.Module:
        return OfficialDiscriminator(number, norm=norm, pytorch_gan=pytorch_gan)

    networks = {
        "G_A": OfficialGenerator(channels, norm=norm, **{k: v for k, v in variant.items() if k != "norm"}),
        "G_B": OfficialGenerator(channels[::-1], norm=norm, **{k: v for k, v in variant.items() if k != "norm"}),
        "D_A": judge(channels[1]),
        "D_B": judge(channels[0]),
    }
    return {name: trained(network, seed) for seed, (name, network) in enumerate(networks.items())}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_computes_the_same_and_goes_back(variant: str, tmp_path: Path) -> None:
    networks = four(**VARIANTS[variant])
    # PyTorch-GAN calls the networks otherwise, and its D_A judges A.
    names = {"G_A": "G_AB_7", "G_B": "G_BA_7", "D_A": "D_B_7", "D_B": "D_A_7"}
    official = variant != "PyTorch-GAN"
    save(tmp_path, {f"latest_net_{name}" if official else names[name]: each for name, each in networks.items()})
    assert cli.main(["import", str(tmp_path), "--workdir", str(tmp_path / "run")]) == 0

    for name, slot in OFFICIAL.items():
        ours: Any = load_generator if slot[0] == "generators" else load_discriminator
        loaded = ours(tmp_path / "run", slot[1])
        channels = next(part for part in networks[name].modules() if isinstance(part, nn.Conv2d)).in_channels
        images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 48, channels)).astype(np.float32)
        with torch.no_grad():
            expected = nhwc(networks[name](nchw(images)))
        found = np.asarray(loaded(images)).reshape(expected.shape)
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5 * np.ptp(expected))
        check_the_way_back(networks[name], loaded.params, loaded.config, slot)


def check_the_way_back(network: nn.Module, params: Any, config: TrainConfig, slot: Slot) -> None:
    """The exported file loads strictly, and has the bytes that were imported."""
    content = torch_export.encode(params, config, slot)
    tensors = torch.load(io.BytesIO(content), weights_only=True)
    block = next(iter(name.split(".")[2] for name in network.state_dict() if "block" in name), "")
    if block == "block" and config.generator.upsample == "transposed":  # a program of its own: the values alone
        tensors = {name.replace("conv_block", "block"): tensor for name, tensor in tensors.items()}
    before = network.state_dict()
    assert list(tensors) == list(before)
    for name, tensor in before.items():
        assert tensors[name].numpy().tobytes() == tensor.numpy().tobytes(), name
    network.load_state_dict(tensors, strict=True)


def test_a_run_of_imported_networks_is_trained_on(tmp_path: Path) -> None:
    networks = four()
    save(tmp_path, {f"latest_net_{name}": network for name, network in networks.items()})
    run, data = str(tmp_path / "run"), tmp_path / "data"
    for folder in ("trainA", "trainB", "testA", "testB"):
        (data / folder).mkdir(parents=True)
        pixels = np.random.default_rng(len(folder)).integers(0, 256, (36, 36, 3), np.uint8)
        Image.fromarray(pixels).save(data / folder / "0.png")
    assert cli.main(["import", str(tmp_path), "--workdir", run, "--image_size=32"]) == 0
    flags = ["--data.dir", str(data), "--steps=1", "--sample_minutes=0"]
    assert cli.main(["train", "--config", f"{run}/config.json", "--workdir", run, *flags]) == 0
    assert open_checkpoint(run).step == 1
    # One step of Adam moves each weight by its rate at most.
    kernel = networks["G_A"].state_dict()["model.1.weight"].numpy().transpose(2, 3, 1, 0)
    moved = np.abs(np.asarray(load_generator(run).params["stem"]["kernel"]) - kernel)
    assert 0 < moved.max() <= 2.1e-4


def test_a_lone_generator_translates_one_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = trained(OfficialGenerator(), 0)
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "30_net_G.pth")
    run = tmp_path / "run"
    assert cli.main(["import", str(tmp_path), "--workdir", str(run)]) == 2
    assert "add --direction AtoB or BtoA" in capsys.readouterr().err
    assert not run.exists()
    assert cli.main(["import", str(tmp_path), "--workdir", str(run), "--direction=BtoA"]) == 0
    assert "drawn fresh: the generator AtoB, the discriminator of domain B" in capsys.readouterr().out
    images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    with torch.no_grad():
        expected = nhwc(network(nchw(images)))
    np.testing.assert_allclose(load_generator(run, "BtoA")(images), expected, atol=2e-5)
    assert cli.main(["translate", "--run", str(run), "--input", str(tmp_path), "--output", str(tmp_path / "o")]) == 2
    assert f"{run} has no trained generator AtoB" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_the_options_of_the_training_come_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    networks = four(channels=(1, 3))
    # With --direction BtoA the training called the folder A domain B.
    save(tmp_path, {f"latest_net_{name}": network for name, network in networks.items()})
    lines = {"crop_size": "64", "load_size": "72", "lambda_A": "5.0", "lambda_B": "7", "lambda_identity": "0"}
    lines |= {"direction": "BtoA", "lr": "0.0001", "niter": "3", "n_epochs_decay": "4", "pool_size": "9"}
    lines |= {"no_flip": "True", "gan_mode": "vanilla"}
    text = "".join(f"{name:>25}: {value:<30}\t[default: x]\n" for name, value in lines.items())
    (tmp_path / "train_opt.txt").write_text(f"----- Options -----\n{text}----- End -----\n")
    assert cli.main(["import", str(tmp_path), "--workdir", str(tmp_path / "run")]) == 0
    assert "gan_mode was vanilla; here a training goes on with lsgan" in capsys.readouterr().out
    config = open_checkpoint(tmp_path / "run").config
    assert (config.data.channels_A, config.data.channels_B) == (3, 1)
    assert (config.data.image_size, config.data.load_size, config.data.flip) == (64, 72, False)
    assert (config.loss.cycle_weight_A, config.loss.cycle_weight_B, config.loss.identity_weight) == (7, 5, 0)
    optimizer = dataclasses.astuple(config.optimizer)
    assert optimizer[:1] == (1e-4,) and optimizer[4:6] == (3, 4)
    assert config.pool_size == 9
    # G_A of that training translates its domain A, which is the folder B.
    generator = load_generator(tmp_path / "run", "BtoA")
    images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 1)).astype(np.float32)
    with torch.no_grad():
        expected = nhwc(networks["G_A"](nchw(images)))
    np.testing.assert_allclose(generator(images), expected, atol=2e-5)
