"""Networks of PyTorch become a run, compute the same there, and go back bit for bit."""

import dataclasses
import io
from collections.abc import Callable, Iterable
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
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import torch_export
from cyclegan_jax.exchange.torch_names import OFFICIAL
from tests.parity import reference_networks as reference
from tests.parity.exchange import nchw, nhwc
from tests.parity.official_names import load_official, official_state


@dataclasses.dataclass(frozen=True)
class Variant:
    """Networks of a program: a generator and a discriminator from their channels, and the names in its files."""

    generator: Callable[[int, int], nn.Module]
    discriminator: Callable[[int], nn.Module]
    channels: tuple[int, int] = (3, 3)
    block: str = "conv_block"
    dropout: bool = False
    pytorch_gan: bool = False


def resnet(**options: Any) -> Callable[[int, int], nn.Module]:
    upsample = options.pop("upsample", "transposed")
    return lambda taken, made: reference.Generator(taken, made, 4, 2, upsample, **options)


def n_layers(number: int = 3, **options: Any) -> Callable[[int], nn.Module]:
    return lambda channels: reference.NLayerDiscriminator(channels, 4, number, **options)


VARIANTS = {
    "official": Variant(resnet(), n_layers()),
    "official with dropout, gray to RGB": Variant(resnet(), n_layers(1), channels=(1, 3), dropout=True),
    "PyTorch-GAN": Variant(
        resnet(upsample="resize"),
        lambda channels: reference.PyTorchGANDiscriminator(channels, 4),
        block="block",
        pytorch_gan=True,
    ),
    "affine": Variant(resnet(norm="instance_affine"), n_layers(2, norm="instance_affine"), block="block"),
    "batch": Variant(resnet(norm="batch"), n_layers(norm="batch")),
    "no norm, pixels": Variant(
        resnet(norm="none"), lambda channels: reference.pixel_discriminator(channels, 4, "instance")
    ),
    "CUT": Variant(resnet(upsample="antialiased", antialias=True), n_layers(antialias=True)),
    "CUT, down alone": Variant(resnet(antialias=True), n_layers(2, antialias=True, norm="batch")),
    "CUT, up alone": Variant(
        resnet(upsample="antialiased"), lambda channels: reference.pixel_discriminator(channels, 4, "batch")
    ),
    "U-Net": Variant(lambda taken, made: reference.unet(taken, made, 4, 4, "batch"), n_layers(norm="batch")),
    "U-Net of two levels": Variant(lambda taken, made: reference.unet(taken, made, 4, 2, "batch"), n_layers(1)),
    "U-Net, instance norm": Variant(lambda taken, made: reference.unet(taken, made, 4, 3, "instance"), n_layers()),
}


def trained(network: nn.Module, seed: int) -> nn.Module:
    """Random values in every tensor: fresh biases and statistics would hide an error in their use."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, values in network.state_dict().items():
            if values.is_floating_point() and not name.endswith("filter"):
                drawn = 0.2 * torch.randn(values.shape, generator=generator)
                values.copy_(1 + drawn.abs() if name.endswith("running_var") else drawn)
    return network.eval()


def networks_of(variant: Variant, names: Iterable[str] = OFFICIAL) -> dict[str, nn.Module]:
    """The networks of a CycleGAN by their official names."""
    A, B = variant.channels
    makers = {
        "G_A": lambda: variant.generator(A, B),
        "G_B": lambda: variant.generator(B, A),
        "D_A": lambda: variant.discriminator(B),
        "D_B": lambda: variant.discriminator(A),
    }
    return {name: trained(makers[name]().float(), seed) for seed, name in enumerate(names)}


def save(folder: Path, networks: dict[str, nn.Module], variant: Variant = VARIANTS["official"]) -> None:
    # PyTorch-GAN calls the networks otherwise, and its D_A judges A.
    names = {"G_A": "G_AB_7", "G_B": "G_BA_7", "D_A": "D_B_7", "D_B": "D_A_7"}
    for name, network in networks.items():
        stem = names[name] if variant.pytorch_gan else f"latest_net_{name}"
        torch.save(official_state(network, variant.block, dropout=variant.dropout), folder / f"{stem}.pth")


@pytest.mark.parametrize("name", VARIANTS)
def test_networks_compute_the_same_and_go_back(name: str, tmp_path: Path) -> None:
    variant = VARIANTS[name]
    networks = networks_of(variant, OFFICIAL if name in ("official", "PyTorch-GAN") else ("G_A", "D_A"))
    save(tmp_path, networks, variant)
    assert cli.main(["import", str(tmp_path), "--workdir", str(tmp_path / "run"), "--image_size=64"]) == 0

    for official, network in networks.items():
        slot = OFFICIAL[official]
        ours: Any = load_generator if slot[0] == "generators" else load_discriminator
        loaded = ours(tmp_path / "run", slot[1])
        channels = next(part for part in network.modules() if isinstance(part, nn.Conv2d)).in_channels
        images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 48, channels)).astype(np.float32)
        with torch.no_grad():
            expected = nhwc(network(nchw(images)))
        found = np.asarray(loaded(images)).reshape(expected.shape)
        assert np.ptp(expected) > 1e-3
        np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5 * np.ptp(expected))
        check_the_way_back(network, variant, torch_export.encode(loaded.params, loaded.config, slot))


def check_the_way_back(network: nn.Module, variant: Variant, content: bytes) -> None:
    """The exported file loads strictly, and has the bytes that were imported."""
    tensors = torch.load(io.BytesIO(content), weights_only=True)
    if variant.block == "block" and not variant.pytorch_gan:  # a program of its own, whose names are not kept
        tensors = {name.replace("conv_block", "block"): tensor for name, tensor in tensors.items()}
    before = official_state(network, variant.block, dropout=variant.dropout)
    assert list(tensors) == list(before)
    for name, tensor in before.items():
        assert (tensors[name].shape, tensors[name].dtype) == (tensor.shape, tensor.dtype), name
        assert tensors[name].numpy().tobytes() == tensor.numpy().tobytes(), name
    load_official(network, tensors, variant.block, dropout=variant.dropout)


def test_a_run_of_imported_networks_is_trained_on(tmp_path: Path) -> None:
    networks = networks_of(VARIANTS["official"])
    save(tmp_path, networks)
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
    kernel = networks["G_A"].state_dict()["parts.1.weight"].numpy().transpose(2, 3, 1, 0)
    moved = np.abs(np.asarray(load_generator(run).params["stem"]["kernel"]) - kernel)
    assert 0 < moved.max() <= 2.1e-4


def test_a_lone_generator_translates_one_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = networks_of(VARIANTS["official"], ["G_A"])["G_A"]
    tensors = {f"module.{name}": values for name, values in official_state(network).items()}
    torch.save({"state_dict": tensors}, tmp_path / "30_net_G.pth")
    run = tmp_path / "run"
    assert cli.main(["import", str(tmp_path), "--workdir", str(run)]) == 2
    assert "add --direction AtoB or BtoA" in capsys.readouterr().err
    assert not run.exists()
    assert cli.main(["import", str(tmp_path), "--workdir", str(run), "--direction=BtoA"]) == 0
    assert "randomly initialized: the generator AtoB, the discriminator of domain B" in capsys.readouterr().out
    images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    with torch.no_grad():
        expected = nhwc(network(nchw(images)))
    np.testing.assert_allclose(load_generator(run, "BtoA")(images), expected, atol=2e-5)
    assert cli.main(["translate", "--run", str(run), "--input", str(tmp_path), "--output", str(tmp_path / "o")]) == 2
    assert f"{run} has no trained generator AtoB" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
    # What was never trained does not go out as if it were.
    with pytest.raises(UserError, match="has no trained discriminator of domain A"):
        load_discriminator(run, "A")
    assert (
        cli.main(["export", "--run", str(run), "--direction=BtoA", "--format=torch", "--output", str(run / "G")]) == 0
    )
    assert [path.name for path in (run / "G").iterdir()] == ["latest_net_G.pth"]


def test_the_options_of_the_training_come_along(tmp_path: Path) -> None:
    networks = networks_of(dataclasses.replace(VARIANTS["official"], channels=(1, 3)))
    # With --direction BtoA the training called the folder A domain B.
    save(tmp_path, networks)
    lines = {"crop_size": "64", "load_size": "72", "lambda_A": "5.0", "lambda_B": "7", "lambda_identity": "0"}
    lines |= {"direction": "BtoA", "lr": "0.0001", "niter": "3", "n_epochs_decay": "4", "pool_size": "9"}
    lines |= {"no_flip": "True", "gan_mode": "vanilla"}
    text = "".join(f"{name:>25}: {value:<30}\t[default: x]\n" for name, value in lines.items())
    (tmp_path / "train_opt.txt").write_text(f"----- Options -----\n{text}----- End -----\n")
    assert cli.main(["import", str(tmp_path), "--workdir", str(tmp_path / "run"), "--labels=A"]) == 0
    config = open_checkpoint(tmp_path / "run").config
    assert (config.data.channels_A, config.data.channels_B) == (3, 1)
    assert (config.data.image_size, config.data.load_size, config.data.flip) == (64, 72, False)
    assert (config.loss.cycle_weight_A, config.loss.cycle_weight_B, config.loss.identity_weight) == (7, 5, 0)
    assert (config.loss.gan, config.loss.penalty) == ("vanilla", "none")
    optimizer = config.optimizer
    assert (optimizer.learning_rate, optimizer.constant_epochs, optimizer.decay_epochs) == (1e-4, 3, 4)
    assert (config.pool_size, config.data.labels) == (9, "A")
    # G_A of that training translates its domain A, which is the folder B.
    generator = load_generator(tmp_path / "run", "BtoA")
    images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 1)).astype(np.float32)
    with torch.no_grad():
        expected = nhwc(networks["G_A"](nchw(images)))
    np.testing.assert_allclose(generator(images), expected, atol=2e-5)
