"""A web page that shows images and their translations, side by side and under a slider.

The page is a single file and loads nothing from elsewhere, so it can be mailed or published as it is.
"""

import base64
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cyclegan_jax import web_page
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import make_folder, replacing

MAX_SIDE: Final = 1024
"""Larger images are scaled down to this for the page."""
_QUALITY: Final = 90
_FEW_COLOURS: Final = 256
_CAPTIONS: Final = {"reconstruction": "back"}
"""Three captions fit beside each other on a phone."""


@dataclass(frozen=True)
class GalleryItem:
    """An image and its translations, each (H, W) or (H, W, C): gray, RGB or with transparency.

    Attributes:
        name: its name on the page.
        input: the image.
        output: its translation.
        reconstruction: the translation back; None shows none.
    """

    name: str
    input: UInt8[np.ndarray, "..."]
    output: UInt8[np.ndarray, "..."]
    reconstruction: UInt8[np.ndarray, "..."] | None = None


def write_gallery(
    path: str | Path,
    items: Iterable[GalleryItem],
    *,
    title: str,
    about: str = "",
    domains: tuple[str, str] = ("A", "B"),
) -> int:
    """Write the page; items are taken one after the other, so memory holds one at a time.

    Args:
        path: the page; an older one is replaced when the new one is complete.
        items: the images.
        title: the heading.
        about: what is seen: the model, what its domains are, when it was made.
        domains: the domain of the inputs and reconstructions, and that of the outputs, for the captions.

    Returns:
        The number of items.

    Raises:
        UserError: the page cannot be written.
    """
    path = Path(path)
    before, after = (
        Template(part).substitute(title=html.escape(title), about=html.escape(about))
        for part in web_page.template("cyclegan_jax.inference", "gallery.html").split("$items")
    )
    number = 0
    try:
        make_folder(path.parent)
        # A file name that is no valid UTF-8 is shown with escapes.
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace") as page:
            page.write(before)
            for item in items:
                page.write(_card(item, domains))
                number += 1
            page.write(after)
    except OSError as error:
        raise UserError(
            f"the gallery {path} cannot be written ({error.strerror or error}): give another folder"
        ) from error
    return number


def _card(item: GalleryItem, domains: tuple[str, str]) -> str:
    height, width = item.input.shape[:2]
    name = html.escape(item.name)
    source, target = domains
    kinds = {
        "input": (item.input, source),
        "output": (item.output, target),
        "reconstruction": (item.reconstruction, source),
    }
    captions = {kind: f"{_CAPTIONS.get(kind, kind)} ({domain})" for kind, (_, domain) in kinds.items()}
    figures = "".join(
        f'<figure><img data-kind="{kind}" src="{_data_url(image)}" width="{width}" height="{height}" decoding="async" '
        f'alt="{name}, {kind}, domain {domain}"><figcaption>{captions[kind]}</figcaption></figure>'
        for kind, (image, domain) in kinds.items()
        if image is not None
    )
    return (
        f'<article class="card" data-width="{width}" data-height="{height}" style="--ratio: {width} / {height}">'
        f'<div class="row">{figures}</div><div class="line"><h2 class="name">{name}</h2>'
        f'<button type="button" class="compare" aria-label="compare {name}">compare</button></div></article>\n'
    )


def _data_url(image: UInt8[np.ndarray, "..."]) -> str:
    picture = Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    stream = io.BytesIO()
    # Label maps have few colours, which lossy compression would mix at the borders.
    lossless = picture.getcolors(_FEW_COLOURS) is not None
    picture = picture.convert("RGBA" if picture.mode in ("LA", "RGBA") else "RGB")
    picture.save(stream, "WEBP", quality=_QUALITY, lossless=lossless)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
