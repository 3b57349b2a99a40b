"""The size of an image as configs and flags write it: one number for a square, or height x width, such as 256x512."""

import re
from typing import Final

from cyclegan_jax.config_checks import require

Size = tuple[int, int]
"""Height and width in pixels."""
ImageSize = int | str
"""As it is written: 256, a square, or "256x512", height x width."""

_WRITTEN: Final = re.compile(r"(\d{1,9})(?:x(\d{1,9}))?")
_NEED: Final = "an integer, or height x width such as 256x512"


def parse(written: ImageSize, name: str) -> Size:
    """Return height and width.

    Args:
        written: as in a config, or as text, such as "256" or "256x512".
        name: the field or flag, for the error message.

    Raises:
        UserError: it is no size.
    """
    if isinstance(written, int) and not isinstance(written, bool):
        return written, written
    found = _WRITTEN.fullmatch(written) if isinstance(written, str) else None
    require(found is not None, name, written, _NEED)
    assert found is not None
    height, width = found[1], found[2] or found[1]
    return int(height), int(width)


def write(size: Size) -> ImageSize:
    """Return a size as configs have it; a square is one number."""
    return size[0] if size[0] == size[1] else f"{size[0]}x{size[1]}"


def parse_flag(text: str) -> ImageSize:
    """Return the value of a command's flag --image_size as configs have it.

    Raises:
        UserError: it is no size.
    """
    return write(parse(text, "--image_size"))


def scaled(size: Size, factor: float) -> Size:
    """Multiply both sides by a factor, rounded to whole pixels."""
    return round(size[0] * factor), round(size[1] * factor)


def holds(outer: Size, inner: Size) -> bool:
    """Whether an image of size `inner` can be cut out of one of size `outer`."""
    return outer[0] >= inner[0] and outer[1] >= inner[1]
