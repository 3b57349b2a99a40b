"""One web page that shows what a generator makes of images: beside each other, and under a slider.

The page is a single file without anything from outside, to be sent to somebody or put beside a paper.
"""

import base64
import contextlib
import html
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from cyclegan_jax.errors import UserError

MAX_SIDE: Final = 1024
"""Larger images are scaled down to this for the page."""
_QUALITY: Final = 90
_FEW_COLOURS: Final = 256


@dataclass(frozen=True)
class GalleryItem:
    """An image and what became of it.

    Attributes:
        name: what it is called on the page.
        input: (H, W) or (H, W, C) uint8, gray, RGB or with transparency.
        output: what the generator made of it.
        reconstruction: what the other generator made of that; None shows none.
    """

    name: str
    input: npt.NDArray[np.uint8]
    output: npt.NDArray[np.uint8]
    reconstruction: npt.NDArray[np.uint8] | None = None


def write_gallery(path: str | Path, items: Iterable[GalleryItem], *, title: str) -> int:
    """Write the page; the items are taken one after the other, so that memory holds one.

    Args:
        path: the page; it is replaced when it is whole.
        items: what to show.
        title: its heading.

    Returns:
        The number of items.

    Raises:
        UserError: the page cannot be written.
    """
    path = Path(path)
    template = resources.files("cyclegan_jax.inference").joinpath("gallery.html").read_text(encoding="utf-8")
    before, after = (Template(part).substitute(title=html.escape(title)) for part in template.split("$items"))
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    number = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as page:
            page.write(before)
            for item in items:
                page.write(_card(item))
                number += 1
            page.write(after)
        partial.replace(path)
    except OSError as error:
        raise UserError(
            f"the gallery {path} cannot be written ({error.strerror or error}): give another folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return number


def _card(item: GalleryItem) -> str:
    height, width = item.input.shape[:2]
    name = html.escape(item.name)
    kinds = {"input": item.input, "output": item.output, "reconstruction": item.reconstruction}
    figures = "".join(
        f'<span><img data-kind="{kind}" data-src="{_data_url(image)}" alt="{kind} of {name}">'
        f"<small>{kind}</small></span>"
        for kind, image in kinds.items()
        if image is not None
    )
    return (
        f'<button type="button" class="card" data-width="{width}" data-height="{height}" '
        f'style="--ratio: {width} / {height}"><span class="row">{figures}</span><span class="name">{name}</span>'
        "</button>\n"
    )


def _data_url(image: npt.NDArray[np.uint8]) -> str:
    picture = Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    stream = io.BytesIO()
    # Label maps keep their colours.
    lossless = picture.getcolors(_FEW_COLOURS) is not None
    picture = picture.convert("RGBA" if picture.mode in ("LA", "RGBA") else "RGB")
    picture.save(stream, "WEBP", quality=_QUALITY, lossless=lossless)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
