"""Which network of which training step a file of PyTorch is, from its name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from cyclegan_jax import files
from cyclegan_jax.config import DOMAINS, OPPOSITE, OTHER_DOMAIN, Direction, Domain
from cyclegan_jax.errors import UserError

Slot = tuple[Literal["generators"], Direction] | tuple[Literal["discriminators"], Domain]
"""The place of a network in a run: its kind and name."""

OFFICIAL: Final[dict[str, Slot]] = {
    "G_A": ("generators", "AtoB"),
    "G_B": ("generators", "BtoA"),
    # The official code names a discriminator after the generator that it trains: D_A judges what G_A makes.
    "D_A": ("discriminators", "B"),
    "D_B": ("discriminators", "A"),
}
PYTORCH_GAN: Final[dict[str, Slot]] = {
    "G_AB": ("generators", "AtoB"),
    "G_BA": ("generators", "BtoA"),
    "D_A": ("discriminators", "A"),
    "D_B": ("discriminators", "B"),
}
_PATTERNS: Final = (
    (re.compile(r"(?P<epoch>.+)_net_(?P<name>G_A|G_B|D_A|D_B)"), OFFICIAL),
    (re.compile(r"(?P<name>G_AB|G_BA|D_A|D_B)_(?P<epoch>.+)"), PYTORCH_GAN),
)
_LONE: Final = re.compile(r"(?P<epoch>.+)_net_(?P<name>G|D)")
_SUFFIXES: Final = frozenset({".pth", ".pt", ".bin", ".ckpt", ".safetensors"})


@dataclass(frozen=True)
class NamedFile:
    """A file of weights.

    Attributes:
        path: the file.
        epoch: what its name says of when it was saved, such as `latest` or `200`; None where it says nothing.
        slot: the network that its name says; None for a file that holds one network of any name.
        is_pytorch_gan: whether the name is one of PyTorch-GAN's.
    """

    path: Path
    epoch: str | None
    slot: Slot | None
    is_pytorch_gan: bool = False


def named(path: Path) -> NamedFile:
    """A file with what its name says."""
    for pattern, slots in _PATTERNS:
        if match := pattern.fullmatch(path.stem):
            return NamedFile(path, match["epoch"], slots[match["name"]], slots is PYTORCH_GAN)
    match = _LONE.fullmatch(path.stem)
    return NamedFile(path, match["epoch"] if match else None, None)


def collect(
    paths: Sequence[Path],
    epoch: str | None = None,
    direction: Direction | None = None,
    directions: Mapping[Path, Direction] = MappingProxyType({}),
    *,
    swapped: bool = False,
) -> dict[Slot, Path]:
    """Find the networks of a CycleGAN in files and folders.

    Args:
        paths: files, and folders of files.
        epoch: of a folder with several, which to take; None is `latest`, or else the highest number.
        direction: what a file whose name does not tell it translates.
        directions: the same for single files.
        swapped: whether the names are those of a training that called domain A domain B.

    Returns:
        The file of each network that there is; at least one generator.

    Raises:
        UserError: a path does not exist, a network is there twice, none is there, the direction is not known, or a
            flag has no effect on these paths.
    """
    found: dict[Slot, Path] = {}
    lone = False
    if epoch is not None and not any(files.is_dir(path) for path in paths):
        raise UserError(f"--epoch {epoch} chooses from a folder, but files were given: leave --epoch out")
    for path in paths:
        for file in _in_folder(path, epoch) if files.is_dir(path) else [_given(path)]:
            lone |= file.slot is None
            slot = _lone(file.path, directions.get(file.path, direction)) if file.slot is None else file.slot
            slot = _swapped(slot) if swapped and file.slot is not None else slot
            if slot in found:
                raise UserError(f"{found[slot]} and {file.path} are the same network, {told(slot)}: give one of them")
            found[slot] = file.path
    if not any(kind == "generators" for kind, _ in found):
        raise UserError(f"there is no generator in {', '.join(map(str, paths))}: give the file of one, such as G_A")
    if direction is not None and not lone:
        raise UserError(f"the names of the files say what they translate: leave out --direction {direction}")
    return {slot: found[slot] for slot in OFFICIAL.values() if slot in found}


def _given(path: Path) -> NamedFile:
    with files.opened(path):  # refuses what is no regular file
        return named(path)


def _in_folder(folder: Path, epoch: str | None) -> list[NamedFile]:
    several = [named(path) for path in files.entries(folder) if path.suffix.lower() in _SUFFIXES]
    weights = [file for file in several if file.slot is not None or _LONE.fullmatch(file.path.stem)]
    if not weights:
        found = (
            f"its files are {', '.join(file.path.name for file in several[:4])}" if several else "it has no .pth files"
        )
        raise UserError(
            f"{folder} has no files named like latest_net_G_A.pth or G_AB_199.pth ({found}): give the file of a "
            "generator with --direction"
        )
    epochs = sorted({file.epoch or "" for file in weights}, key=_order)
    wanted = epoch or epochs[-1]
    if wanted not in epochs:
        raise UserError(f"{folder} has no networks of --epoch {wanted}: it has {', '.join(epochs)}")
    chosen = [file for file in weights if file.epoch == wanted]
    if len({file.is_pytorch_gan for file in chosen}) > 1:
        raise UserError(
            f"{folder} has networks of epoch {wanted} by the names of the official code and of PyTorch-GAN: give the "
            "files of one of them"
        )
    return chosen


def _order(epoch: str) -> tuple[bool, int, str]:
    """Numbers ascend, those of iterations too, and `latest` is the last."""
    number = re.fullmatch(r"(?:iter_)?([0-9]{1,18})", epoch)
    return epoch == "latest", int(number[1]) if number else -1, epoch


def _lone(path: Path, direction: Direction | None) -> Slot:
    if direction is None:
        raise UserError(f"the name of {path} does not say what it translates: add --direction AtoB or BtoA")
    if (match := _LONE.fullmatch(path.stem)) and match["name"] == "D":
        return ("discriminators", DOMAINS[direction][1])
    return ("generators", direction)


def _swapped(slot: Slot) -> Slot:
    if slot[0] == "generators":
        return ("generators", OPPOSITE[slot[1]])
    return ("discriminators", OTHER_DOMAIN[slot[1]])


def told(slot: Slot) -> str:
    """A network in words, such as `the generator AtoB`."""
    kind, name = slot
    return f"the generator {name}" if kind == "generators" else f"the discriminator of domain {name}"
