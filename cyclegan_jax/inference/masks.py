"""Masks of what shall be translated: white inside, where the translation shows, and black where the input stays."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Num

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import decode_16bit
from cyclegan_jax.data.walk import walk
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import image_files

Mask: TypeAlias = npt.NDArray[Any]
"""(H, W): floats or booleans from 0, the input, to 1, the translation; or unsigned integers up to their highest."""


def blend(
    output: Float[np.ndarray, "H W C"], input: Float[np.ndarray, "H W C"], mask: Float[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W C"]:
    """Return the output where the mask is 1, the input where it is 0, and a mixture of both in between."""
    share = mask[..., None]
    return output * share + input * (1 - share)


def shares(mask: Mask, size: tuple[int, int], subject: str = "the mask") -> Float[np.ndarray, "H W"]:
    """Return a mask as float64 shares of the translation.

    Args:
        mask: a user's mask.
        size: height and width of its image.
        subject: what error messages call it.

    Raises:
        UserError: it has another size than its image, or values that are not shares.
    """
    values = np.asarray(mask)
    if values.shape != size:
        raise UserError(
            f"{subject} has the shape {values.shape}, but its image is {size[1]}x{size[0]} pixels: a mask is (height, "
            "width), of the size of its image"
        )
    if values.dtype.kind == "u":
        return values / np.iinfo(values.dtype).max
    if values.dtype.kind not in "fb" or not bool(((values >= 0) & (values <= 1)).all()):
        raise UserError(
            f"{subject} holds {values.dtype} values that are no shares: give floats from 0, the input, to 1, the "
            "translation, or unsigned integers"
        )
    return values.astype(np.float64)


def check_domains(config: DataConfig, source: Domain, target: Domain) -> None:
    """Check that inputs and outputs of a model can be mixed.

    Raises:
        UserError: the domains have different numbers of channels, other ranges, or one holds label maps.
    """
    kinds = [_kind(config, domain) for domain in (source, target)]
    if kinds[0] != kinds[1]:
        raise UserError(
            f"a mask keeps pixels of the input, but this model makes {kinds[1]} from {kinds[0]}: leave the mask out"
        )


def _kind(config: DataConfig, domain: Domain) -> str:
    """What the pixels of a domain are, in words; those of two domains can be mixed where the words are the same."""
    if config.labels == domain:
        return "label maps"
    channels, ranges = config.channels(domain), config.band_ranges(domain)
    kind = f"{channels} bands" if config.has_bands(domain) else f"images of {channels} channels"
    shown = ", ".join(f"{low:g} to {high:g}" for low, high in sorted(set(ranges or ()), key=(ranges or ()).index))
    return f"{kind} with values from {shown}" if shown else kind


def read_for(image: Path, size: tuple[int, int], file: Path, max_size: int | None = None) -> Float[np.ndarray, "H W"]:
    """Read the mask of an image: gray of any depth, or colours by their lightness; what is transparent is outside.

    Args:
        image: the image or video, for error messages.
        size: its height and width, scaled down by `max_size`.
        file: the mask: an image file, or a `.npy` array.
        max_size: a longer side is scaled down to this many pixels, as that of the image was.

    Returns:
        Shares in [0, 1], float64.

    Raises:
        UserError: the file cannot be read, has another size than its image, or values that are no shares.
    """
    try:
        encoded = files.read_bytes(file)
    except files.UnreadableError as error:
        raise UserError(f"the mask {error}") from error
    values = decode_16bit.stored_values(encoded, str(file))
    height, width, channels = values.shape
    parts = [shares(values[..., channel], (height, width), f"the mask {file}") for channel in range(channels)]
    mask = image_files.scaled_down(_lightness(np.stack(parts, axis=2)), max_size)
    if mask.shape != size:
        sizes = [f"{width}x{height}" for height, width in (mask.shape, size)]
        raise UserError(f"the mask {file} is {sizes[0]} pixels, but {image} is {sizes[1]}: make the mask of its size")
    return mask


def _lightness(values: Num[np.ndarray, "H W C"]) -> Float[np.ndarray, "H W"]:
    colors, alpha = decode_16bit.split_alpha(values)
    light = decode_16bit.with_channels(colors, 1)[..., 0]
    # The weights of the colours add up to 1 but for a rounding.
    return np.clip(light if alpha is None else light * alpha[..., 0], 0, 1)


def find(masks: Path, images: Iterable[Path], output: Path) -> dict[Path, Path]:
    """Find the mask of each image of a translation.

    Args:
        masks: one file, which is the mask of every image; or a folder with masks of the images' names, in the same
            sub-folders. The formats may differ, as PNG masks of JPEG photos do.
        images: the outputs that are planned, whose names are those of the images.
        output: the folder that they are planned in.

    Returns:
        The mask by output.

    Raises:
        UserError: there is no such file or folder, an image has no mask, or two masks differ in their format alone.
    """
    images = list(images)
    if not files.is_dir(masks):
        if not files.exists(masks):
            raise UserError(f"--mask: there is nothing at {masks}: give a mask file, or a folder of masks")
        return dict.fromkeys(images, masks)
    found: dict[Path, Path] = {}
    for file in walk(masks).images:
        name = file.relative_to(masks).with_suffix("")
        if name in found:
            raise UserError(f"--mask: {found[name]} and {file} are masks of one name: delete one of them")
        found[name] = file
    names = {image: image.relative_to(output).with_suffix("") for image in images}
    missing = [name for name in names.values() if name not in found]
    if missing:
        number = "1 image has" if len(missing) == 1 else f"{len(missing):,} images have"
        raise UserError(
            f"--mask: {number} no mask in {masks}, the first is {missing[0]}: a mask has the name of its image"
        )
    return {image: found[name] for image, name in names.items()}
