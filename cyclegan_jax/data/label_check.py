"""A check that the domain which a config calls label maps holds label maps: otherwise every score of them is noise."""

import numpy as np
from jaxtyping import UInt8

from cyclegan_jax.config import OTHER_DOMAIN, DataConfig, Domain
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.data.decode import decode_example
from cyclegan_jax.data.eval_images import spread
from cyclegan_jax.data.palette import color_array, snap_to_palette
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


def check_labels(data: Dataset, config: DataConfig) -> None:
    """Raise if the images of `config.labels` are not in the colours of the palette.

    Raises:
        UserError: they are not, or an image cannot be read and `config.on_error` is "stop".
    """
    if config.labels is None:
        return
    share = _share_of(data, config, config.labels)
    if share is None or share <= MOST_FAR:
        return
    other = OTHER_DOMAIN[config.labels]
    is_rgb = config.channels(other) == 3 and config.value_range(other) is None
    of_other = _share_of(data, config, other) if is_rgb else None
    problem = (
        f"data.labels is {config.labels}, but {share:.0%} of the pixels of its images are far from every colour of "
        "the Cityscapes palette"
    )
    if of_other is not None and of_other <= MOST_FAR:
        raise UserError(f"{problem}, and {of_other:.0%} of those of {other}: give --data.labels={other}")
    raise UserError(f"{problem}: give --data.labels=None if none of the domains holds label maps in its colours")


def far_share(image: UInt8[np.ndarray, "H W 3"]) -> float:
    """Return the share of far pixels, from 0 to 1."""
    step = [max(1, side // _SIDE) for side in image.shape[:2]]
    pixels = np.ascontiguousarray(image[:: step[0], :: step[1]])
    difference = pixels.astype(np.float32) - snap_to_palette(pixels, color_array(unlabelled=True))
    return float((np.sum(difference**2, axis=-1) > FAR**2).mean())


def _share_of(data: Dataset, config: DataConfig, domain: Domain) -> float | None:
    """The mean share over some training images of a domain; None if none can be read."""
    split = data.train_A if domain == "A" else data.train_B
    shares = []
    for index in spread(len(split), _IMAGES):
        try:
            shares.append(far_share(np.asarray(decode_example(split[index], config, domain))))
        except UserError:
            if config.on_error == "stop":
                raise
    return sum(shares) / len(shares) if shares else None
