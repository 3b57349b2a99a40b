"""The networks of a CycleGAN from files of PyTorch: read, recognised, and checked against each other."""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from cyclegan_jax import recipes
from cyclegan_jax.config import DOMAINS, DiscriminatorConfig, Domain, GeneratorConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import recognise, torch_file, torch_weights
from cyclegan_jax.exchange.official_options import OfficialOptions
from cyclegan_jax.exchange.recognise import Recognised, Tensors
from cyclegan_jax.exchange.torch_names import Slot
from cyclegan_jax.exchange.torch_tensor import FormatError
from cyclegan_jax.image_size import ImageSize
from cyclegan_jax.networks import cyclegan, weights
from cyclegan_jax.networks.cyclegan import Params

_SAME: Mapping[str, str] = {"generators": "the two generators", "discriminators": "the two discriminators"}


@dataclass(frozen=True, eq=False)
class TorchNetwork:
    """One network of a file.

    Attributes:
        path: the file.
        tensors: what it holds, by name.
        recognised: its architecture.
    """

    path: Path
    tensors: Tensors
    recognised: Recognised


def read(found: Mapping[Slot, Path]) -> dict[Slot, TorchNetwork]:
    """Read the files of some networks.

    Raises:
        UserError: a file cannot be read, holds no network that is known, or another kind of network than its name says;
            or the networks do not belong together.
    """
    networks = {slot: _read(path, slot) for slot, path in found.items()}
    for kind, both in _SAME.items():
        several = [network for (of, _), network in networks.items() if of == kind]
        _check_equal(several, both)
    _check_channels(networks)
    return networks


def _read(path: Path, slot: Slot) -> TorchNetwork:
    tensors = torch_file.read(path)
    try:
        recognised = recognise.recognise(tensors)
    except FormatError as error:
        raise UserError(f"{path} {error}") from error
    wanted = slot[0].removesuffix("s")
    if recognised.kind != wanted:
        raise UserError(f"{path} holds a {recognised.kind}, but is given as a {wanted}: check which file is which")
    return TorchNetwork(path, tensors, recognised)


def _check_equal(several: list[TorchNetwork], both: str) -> None:
    """Refuse networks of two architectures: a config has one."""
    for one, other in itertools.pairwise(several):
        first, second = (dataclasses.asdict(each.recognised.config) for each in (one, other))
        different = [f"{name} {first[name]} and {second[name]}" for name in first if first[name] != second[name]]
        if different:
            raise UserError(
                f"{one.path} and {other.path} do not belong together: {both} of a CycleGAN are alike, but these have "
                f"{', '.join(different)}"
            )


def _check_channels(networks: Mapping[Slot, TorchNetwork]) -> None:
    claims: dict[str, tuple[int, Path]] = {}
    for slot, network in networks.items():
        for domain, channels in zip(_domains(slot), network.recognised.channels, strict=True):
            known, path = claims.setdefault(domain, (channels, network.path))
            if known != channels:
                raise UserError(
                    f"{path} and {network.path} do not belong together: domain {domain} has {known} channels in the "
                    f"one and {channels} in the other{_paired(slot, known, channels)}"
                )


def _paired(slot: Slot, known: int, channels: int) -> str:
    paired = slot[0] == "discriminators" and channels > known
    return "; a discriminator of a training on pairs (pix2pix) sees two images at once" if paired else ""


def _domains(slot: Slot) -> tuple[Domain, ...]:
    """The domains of the images that a network sees, in the order of `Recognised.channels`."""
    return (slot[1],) if slot[0] == "discriminators" else DOMAINS[slot[1]]


def config_of(
    networks: Mapping[Slot, TorchNetwork],
    options: OfficialOptions | None = None,
    image_size: ImageSize | None = None,
    labels: Domain | None = None,
) -> TrainConfig:
    """The config of a run that continues with these networks; of the data, only channels and sizes are known.

    Args:
        networks: at least one.
        options: what the official code wrote of the training.
        image_size: height and width of the training crops; default: as in the options, or else 256.
        labels: the domain of label maps, if any.

    Raises:
        UserError: a network or an option is not one that a config may have.
    """
    architectures = [network.recognised.config for network in networks.values()]
    generator = next(each for each in architectures if isinstance(each, GeneratorConfig))
    base = recipes.pytorch_gan() if generator.upsample == "resize" else recipes.paper()
    discriminator = next((each for each in architectures if isinstance(each, DiscriminatorConfig)), base.discriminator)
    channels: dict[str, Any] = {}
    for slot, network in networks.items():
        for domain, number in zip(_domains(slot), network.recognised.channels, strict=True):
            channels[f"channels_{domain}"] = number
    # The default of both programs; the identity loss needs domains of equal channels.
    identity_weight = 0.5 if len(set(channels.values())) == 1 else 0.0
    base = dataclasses.replace(base, loss=dataclasses.replace(base.loss, identity_weight=identity_weight))
    try:
        data = dataclasses.replace(base.data, source="folder", **channels)
    except UserError as error:
        path = next(iter(networks.values())).path
        raise UserError(f"{path} holds an unsupported network: {error}") from error
    data = dataclasses.replace(data, labels=labels)
    config = dataclasses.replace(base, data=data, generator=generator, discriminator=discriminator)
    if options is not None:
        config = options.apply(config)
    if image_size is not None:
        config = dataclasses.replace(
            config, data=dataclasses.replace(config.data, image_size=image_size, load_size=None)
        )
    cyclegan.define(config)  # reports a size that the networks cannot take
    return config


def params(network: TorchNetwork, slot: Slot, config: TrainConfig) -> Params:
    """The parameters of one network, as NumPy arrays.

    Raises:
        UserError: its tensors do not fit its architecture, or are not finite.
    """
    key = jax.random.key(0)

    def fresh() -> Params:
        if slot[0] == "generators":
            return weights.params(cyclegan.make_generator(config, slot[1], key))
        return weights.params(cyclegan.make_discriminator(config, slot[1], key))

    try:
        return torch_weights.to_params(network.tensors, network.recognised.layout, jax.eval_shape(fresh))
    except FormatError as error:
        raise UserError(f"{network.path} {error}") from error
