"""The pretrained generators of the official code (pytorch-CycleGAN-and-pix2pix) by name, and their download.

Names, addresses and folders are those of its `scripts/download_cyclegan_model.sh`. Sizes and checksums are published
nowhere: a download must have the size that the server states, which must be plausible for a generator, and begin as a
file of PyTorch does. The server speaks plain HTTP, so whoever reads the file must run no code from it.
"""

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cyclegan_jax import files
from cyclegan_jax.config import Direction
from cyclegan_jax.data.sets import downloads
from cyclegan_jax.errors import UserError

BASE_URL: Final = "http://efrosgans.eecs.berkeley.edu/cyclegan/pretrained_models"
FILE_NAME: Final = "latest_net_G.pth"
ARCHITECTURE: Final = "resnet_9blocks"
"""`--netG` of all of them, with instance norm, width 64 and without dropout, as the official test command expects."""

_STARTS: Final = (b"PK\x03\x04", b"\x80\x02")
"""How PyTorch's files begin: the zip of today, and the pickles one after another of before 2020."""
_BYTES: Final = (31_000_000, 60_000_000)
"""Bounds of the size: the parameters of 6 blocks take 31.4 MB, those of 9 blocks 45.5 MB, and the rest is small."""


@dataclass(frozen=True)
class OfficialModel:
    """A published generator, without its pair and its discriminators.

    Attributes:
        name: what the official script calls it.
        data_set: the data set that it was trained on.
        direction: which of that data set's two translations it makes.
        source: what its inputs show.
        target: what its outputs show.
    """

    name: str
    data_set: str
    direction: Direction
    source: str
    target: str

    @property
    def subjects(self) -> tuple[str, str]:
        """What the domains A and B of its data set show."""
        return (self.source, self.target) if self.direction == "AtoB" else (self.target, self.source)


_ALL: Final = (
    OfficialModel("apple2orange", "apple2orange", "AtoB", "apples", "oranges"),
    OfficialModel("orange2apple", "apple2orange", "BtoA", "oranges", "apples"),
    OfficialModel("summer2winter_yosemite", "summer2winter_yosemite", "AtoB", "summer", "winter"),
    OfficialModel("winter2summer_yosemite", "summer2winter_yosemite", "BtoA", "winter", "summer"),
    OfficialModel("horse2zebra", "horse2zebra", "AtoB", "horses", "zebras"),
    OfficialModel("zebra2horse", "horse2zebra", "BtoA", "zebras", "horses"),
    OfficialModel("monet2photo", "monet2photo", "AtoB", "paintings by Monet", "photos"),
    OfficialModel("style_monet", "monet2photo", "BtoA", "photos", "paintings by Monet"),
    OfficialModel("style_cezanne", "cezanne2photo", "BtoA", "photos", "paintings by Cezanne"),
    OfficialModel("style_ukiyoe", "ukiyoe2photo", "BtoA", "photos", "ukiyo-e prints"),
    OfficialModel("style_vangogh", "vangogh2photo", "BtoA", "photos", "paintings by Van Gogh"),
    OfficialModel("sat2map", "maps", "AtoB", "aerial photos", "maps"),
    OfficialModel("map2sat", "maps", "BtoA", "maps", "aerial photos"),
    OfficialModel("cityscapes_photo2label", "cityscapes", "AtoB", "photos", "labels"),
    OfficialModel("cityscapes_label2photo", "cityscapes", "BtoA", "labels", "photos"),
    OfficialModel("facades_photo2label", "facades", "AtoB", "photos", "labels"),
    OfficialModel("facades_label2photo", "facades", "BtoA", "labels", "photos"),
    OfficialModel("iphone2dslr_flower", "iphone2dslr_flower", "AtoB", "photos by a phone", "photos by an SLR camera"),
)
MODELS: Final = {model.name: model for model in _ALL}
"""The published generators by name. A and B are the domains of the official data sets: in `cityscapes` A is photos."""


def find(name: str) -> OfficialModel:
    """Return the published generator of that name.

    Raises:
        UserError: there is none; the message has the names that are close, or all of them.
    """
    if name in MODELS:
        return MODELS[name]
    close = difflib.get_close_matches(name, MODELS, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"the names are {', '.join(MODELS)}"
    raise UserError(f"there are no official weights named {name!r}: {hint}")


def fetch(name: str, folder: str | Path, base_url: str = BASE_URL) -> Path:
    """Download a published generator, unless it is there already.

    Args:
        name: one of `MODELS`.
        folder: the file becomes `NAME_pretrained/latest_net_G.pth` in it, where the official script puts it too: its
            folder `checkpoints` is taken as it is.
        base_url: address of the folder of files, such as that of a mirror.

    Returns:
        The path of the file: parameters of PyTorch, of the architecture `ARCHITECTURE`.

    Raises:
        UserError: there is no such name; the file cannot be downloaded (the message says where to put it); or what is
            there, or what comes from the server, is another file.
    """
    model = find(name)
    path = files.expand(folder) / f"{model.name}_pretrained" / FILE_NAME
    if files.exists(path):
        _check(path)
        return path
    by_hand = f"{path}, or give the file itself: cyclegan-jax import FILE --direction {model.direction}"
    archive = downloads.ask(f"{base_url}/{model.name}.pth", by_hand)
    least, most = _BYTES
    if not least <= archive.size <= most:
        raise UserError(
            f"{archive.url} has {archive.size:,} bytes, but a generator has {_megabytes()}, so that this is another "
            f"page: put the file at {by_hand}"
        )
    downloads.fetch(dataclasses.replace(archive, starts=_STARTS), path, by_hand, folder_name="folder")
    return path


def _check(path: Path) -> None:
    """Refuse a file that is there but is no generator: a page of a browser, or half a copy."""
    files.check_readable(path)
    least, most = _BYTES
    with path.open("rb") as file:
        begun = file.read(4)
    if not (least <= path.stat().st_size <= most and begun.startswith(_STARTS)):
        raise UserError(
            f"{path} is no generator of the official code: it has {path.stat().st_size:,} bytes and begins with "
            f"{begun!r}, instead of {_megabytes()} of a file of PyTorch; delete it, or put a complete copy there"
        )


def _megabytes() -> str:
    return " to ".join(f"{size / 1e6:.0f}" for size in _BYTES) + " MB"
