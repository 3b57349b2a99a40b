"""What training adds to crops and left-right flips: upside-down flips, quarter turns, and random changes of colour."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Num

from cyclegan_jax.data_config import AugmentConfig

_OFF: Final = AugmentConfig()
_LUMA: Final = np.array([0.2989, 0.587, 0.114])
"""The weights of gray in torchvision's ColorJitter."""


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for one image.

    Attributes:
        upside_down: whether it is flipped top to bottom.
        turns: quarter turns against the clock, from 0 to 3.
        colors: the changes of colour in their order: `brightness`, `contrast` and `saturation` with a factor, and
            `hue` with a part of the colour circle. A change that does nothing is left out.
    """

    upside_down: bool
    turns: int
    colors: tuple[tuple[str, float], ...]

    def apply(self, image: Num[np.ndarray, "H W C"], *, has_alpha: bool = False) -> None:
        """Change an image in place.

        Args:
            image: uint8, or float32 in [-1, 1]; square if it is turned.
            has_alpha: whether the last channel is alpha, which keeps its values.
        """
        if self.upside_down:
            image[:] = image[::-1].copy()
        if self.turns:
            image[:] = np.rot90(image, self.turns).copy()
        if self.colors:
            colors = image[..., :-1] if has_alpha else image
            if image.dtype == np.uint8:
                colors[:] = np.rint(change_colors(colors.astype(np.float32) / 255, self.colors) * 255)
            else:
                colors[:] = change_colors((colors + 1) / 2, self.colors) * 2 - 1


def draw_augmentation(config: AugmentConfig, rng: np.random.Generator) -> Augmentation | None:
    """Draw what happens to one image; None, and nothing is drawn, where the config is off.

    Args:
        config: which changes, and how strong.
        rng: draws all numbers in a fixed order, whichever of them the config uses.
    """
    if config == _OFF:
        return None
    upside_down, turns = bool(rng.random() < 0.5), int(rng.integers(4))
    order, places = rng.permutation(4), rng.uniform(-1, 1, 4)
    colors = []
    for index in order:
        name = ("brightness", "contrast", "saturation", "hue")[index]
        if strength := getattr(config, name):
            colors.append((name, float(places[index] * strength + (name != "hue"))))
    return Augmentation(config.vertical_flip and upside_down, turns if config.quarter_turns else 0, tuple(colors))


def change_colors(
    image: Float[np.ndarray, "H W C"], changes: tuple[tuple[str, float], ...]
) -> Float[np.ndarray, "H W C"]:
    """Change colours one after the other, as torchvision's ColorJitter does with these factors in this order.

    Args:
        image: in [0, 1]. Saturation and hue need 3 channels, which are RGB.
        changes: as `Augmentation.colors`.

    Returns:
        The same dtype, in [0, 1].
    """
    for name, amount in changes:
        if name == "hue":
            image = _with_hue(image, amount)
            continue
        # The image is blended with black, with its mean gray, or with its gray version.
        other: Any = np.zeros((), image.dtype)
        if name != "brightness":
            gray = (image @ _LUMA.astype(image.dtype))[..., None] if image.shape[2] == 3 else image
            other = gray.mean(dtype=np.float64).astype(image.dtype) if name == "contrast" else gray
        factor = image.dtype.type(amount)
        image = np.clip(image * factor + other * (1 - factor), 0, 1)
    return image


def _with_hue(image: Float[np.ndarray, "H W 3"], turn: float) -> Float[np.ndarray, "H W 3"]:
    """Turn the hue of each pixel by a part of the colour circle, with the saturation and value of HSV kept."""
    value, low = image.max(axis=2), image.min(axis=2)
    chroma = value - low
    red, green, blue = np.moveaxis(image, 2, 0) / np.where(chroma > 0, chroma, 1)
    brightest = [image[..., 0] == value, image[..., 1] == value]
    sector = np.select(brightest, [green - blue, 2 + blue - red], 4 + red - green) + image.dtype.type(6 * turn)
    # How far each channel lies from its third of the circle, where it is `value`; opposite of it, it is `low`.
    away = (np.array([5, 3, 1], image.dtype) + sector[..., None]) % 6
    return value[..., None] - chroma[..., None] * np.clip(np.minimum(away, 4 - away), 0, 1)
