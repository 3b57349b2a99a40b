"""A check that the domain which a config calls label maps holds label maps: otherwise every score of them is noise."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import UInt8

from cyclegan_jax.config import OTHER_DOMAIN, DataConfig, Domain
from cyclegan_jax.data.dataset import Dataset, Split
from cyclegan_jax.data.decode import decode_example
from cyclegan_jax.data.eval_images import spread
from cyclegan_jax.data.palette import BUILT_IN, CITYSCAPES, Palette, color_array, snap_to_palette
from cyclegan_jax.data.palette_file import palette_of, words
from cyclegan_jax.errors import UserError

_IMAGES = 8
"""Images that are looked at."""
_SIDE = 256
"""Of each image about this many rows and columns are looked at, at even distances."""
FAR = 16.0
"""A pixel further than this from every colour of the palette, by Euclidean distance in RGB, is far."""
MOST_FAR = 0.7
"""The largest share of far pixels in label maps.

Measured as the mean over eight images of 64 to 128 pixels: label maps of streets have 0.08 as PNG, 0.31 as JPEG of
quality 75, and 0.58 as JPEG of quality 50 after bicubic shrinking to 32 pixels; photos of streets have 0.81 and more.
"""


MOST_FAR_OF_LABELLED: Final = 0.95
"""The largest share of far pixels among those that are not unlabelled: of a white mask on black, all are."""


@dataclass(frozen=True)
class Share:
    """How much of some label maps is far from every colour of a palette.

    Attributes:
        of_all: of all pixels, the mean over images.
        of_labelled: of the pixels that are not near the unlabelled colour, over all images.
    """

    of_all: float
    of_labelled: float

    @property
    def fits(self) -> bool:
        """Whether the images are label maps in the colours of the palette."""
        return self.of_all <= MOST_FAR and self.of_labelled <= MOST_FAR_OF_LABELLED

    def __str__(self) -> str:
        """The share that decides, in words."""
        if self.of_all > MOST_FAR or self.fits:
            return f"{self.of_all:.0%} of the pixels"
        return f"{self.of_labelled:.0%} of the labelled pixels"


def check_labels(data: Dataset, config: DataConfig) -> None:
    """Raise if the images of `config.labels` are not in the colours of the palette.

    The message names the domain and the built-in palette that would fit, if there are such.

    Raises:
        UserError: they are not, or an image cannot be read and `config.on_error` is "stop".
    """
    if config.labels is None:
        return
    palette = palette_of(config)
    share = _share_of(data, config, config.labels, palette)
    if share is None or share.fits:
        return
    problem = f"data.labels is {config.labels}, but {share} of its images are far from every colour of {words(palette)}"
    raise UserError(problem + (_fitting(data, config, palette) or _no_label_maps(palette)))


def _no_label_maps(palette: Palette) -> str:
    file = ", or --data.palette=FILE with their own colours" if palette in BUILT_IN.values() else ""
    return f": give --data.labels=None if none of the domains holds label maps in its colours{file}"


def _fitting(data: Dataset, config: DataConfig, palette: Palette) -> str | None:
    """The end of the message where another domain, or another built-in palette, fits; or None."""
    assert config.labels is not None
    other = OTHER_DOMAIN[config.labels]
    is_rgb = config.channels(other) == 3 and config.value_range(other) is None
    known = [(None, palette), *((name, one) for name, one in BUILT_IN.items() if one != palette)]
    for domain in (config.labels, *((other,) if is_rgb else ())):
        for name, one in known:
            share = _share_of(data, config, domain, one)
            if share is not None and share.fits:
                subject = f" of those of {domain}" if domain == other else ""
                colours = f" from those of {words(one)}" if name is not None else ""
                flags = [f"--data.labels={domain}"] if domain == other else []
                flags += [f"--data.palette={name}"] if name is not None else []
                return f", and {share.of_all:.0%}{subject}{colours}: give {' '.join(flags)}"
    return None


def far_share(images: Iterable[UInt8[np.ndarray, "_ _ 3"]], palette: Palette = CITYSCAPES) -> Share | None:
    """Measure images; None if there are none."""
    colors = color_array(unlabelled=True, palette=palette)
    shares, far_pixels, labelled_pixels = [], 0, 0
    for image in images:
        step = [max(1, side // _SIDE) for side in image.shape[:2]]
        pixels = np.ascontiguousarray(image[:: step[0], :: step[1]])
        snapped = snap_to_palette(pixels, colors)
        far = np.sum((pixels.astype(np.float32) - snapped) ** 2, axis=-1) > FAR**2
        has_class = True if palette.unlabelled is None else (snapped != palette.unlabelled).any(axis=-1)
        shares.append(float(far.mean()))
        far_pixels, labelled_pixels = far_pixels + int(far.sum()), labelled_pixels + int((far | has_class).sum())
    return Share(sum(shares) / len(shares), far_pixels / max(1, labelled_pixels)) if shares else None


def _share_of(data: Dataset, config: DataConfig, domain: Domain, palette: Palette) -> Share | None:
    """The share of some training images of a domain; None if none can be read."""
    return far_share(_some_images(data.train_A if domain == "A" else data.train_B, config, domain), palette)


def _some_images(split: Split, config: DataConfig, domain: Domain) -> Iterator[UInt8[np.ndarray, "_ _ 3"]]:
    for index in spread(len(split), _IMAGES):
        try:
            yield np.asarray(decode_example(split[index], config, domain))
        except UserError:
            if config.on_error == "stop":
                raise
