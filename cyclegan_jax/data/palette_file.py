"""Palettes as text: a file of one class per line, or the same in one line, which is how a checkpoint stores it."""

import dataclasses
import functools
import re
from collections.abc import Sequence
from typing import Final

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig
from cyclegan_jax.config_checks import shown
from cyclegan_jax.data.palette import BUILT_IN, UNLABELLED, Color, Palette
from cyclegan_jax.errors import UserError

MOST_CLASSES: Final = 254
"""Class ids are uint8; one is left for the unlabelled colour, and one for pixels that are not scored."""
_NO_CLASS: Final = "unlabelled"
"""The name, in a palette, of the colour of pixels without a class."""
_SEPARATOR: Final = ";"
_ENTRY: Final = re.compile(r"(\S.*?)[\s,]+(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})")
_LARGEST: Final = 1 << 16
"""Bytes of a file; 254 classes with long names have fewer."""


def palette_of(config: DataConfig) -> Palette:
    """Return the palette that `data.palette` names or lists; a file is read.

    Raises:
        UserError: there is no such palette or file, or it is not in order; the message has the file and the line.
    """
    value = config.palette
    if value in BUILT_IN:
        return BUILT_IN[value]
    if _SEPARATOR in value:
        return _from_text(value)
    with files.naming("--data.palette"):
        path = files.expand(value)
        if not files.exists(path):
            raise UserError(
                f"data.palette is {shown(value)}, but there is no such palette or file: give {' or '.join(BUILT_IN)}, "
                "or a file with a class in each line, as NAME RED GREEN BLUE"
            )
        with files.opened(path) as file:
            content = file.read(_LARGEST + 1)
    try:
        text = content.decode("utf-8-sig")
    except ValueError:
        text = None
    if text is None or len(content) > _LARGEST:
        raise UserError(
            f"data.palette is {shown(value)}, which is no file of a palette: give a text file in UTF-8 with a class in "
            "each line, as NAME RED GREEN BLUE"
        )
    return _parse(text.splitlines(), f"the palette {value}", "line")


def stored(config: DataConfig) -> DataConfig:
    """Return the config with the content of its palette instead of a file, so that a run does not need the file.

    Raises:
        UserError: as for `palette_of`.
    """
    return dataclasses.replace(config, palette=as_text(palette_of(config)))


def as_text(palette: Palette) -> str:
    """Return the name of a built-in palette, or the entries in one line, which `palette_of` reads back."""
    for name, known in BUILT_IN.items():
        if palette == known:
            return name
    entries = [*zip(palette.names, palette.colors, strict=True)]
    if palette.unlabelled is not None and palette.unlabelled != UNLABELLED:
        entries.append((_NO_CLASS, palette.unlabelled))
    return f"{_SEPARATOR} ".join(f"{name} {red} {green} {blue}" for name, (red, green, blue) in entries)


def words(palette: Palette) -> str:
    """Return what a message calls the palette."""
    name = as_text(palette)
    return f"the {name.capitalize() if name == 'cityscapes' else name} palette" if name in BUILT_IN else "data.palette"


@functools.lru_cache(maxsize=8)
def _from_text(value: str) -> Palette:
    return _parse(value.split(_SEPARATOR), f"data.palette, {shown(value)},", "entry")


def _parse(lines: Sequence[str], where: str, part: str) -> Palette:
    """Read entries; empty ones, and those that begin with #, are left out."""
    names: dict[str, int] = {}
    colors: dict[Color, int] = {}
    found: list[tuple[str, Color]] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        entry = _entry(text)
        if entry is None:
            raise UserError(
                f"{where} has {shown(text)} in {part} {number}, which is no class: write NAME RED GREEN BLUE, with "
                "numbers from 0 to 255 and no ; or | in the name, such as sky 70 130 180"
            )
        name, color = entry
        for first, what in ((names.setdefault(name, number), "name"), (colors.setdefault(color, number), "colour")):
            if first != number:
                raise UserError(
                    f"{where} has the {what} of {part} {first} again in {part} {number}: change one of them"
                )
        found.append(entry)
    return _palette(found, where)


def _entry(text: str) -> tuple[str, Color] | None:
    match = _ENTRY.fullmatch(text)
    if match is None:
        return None
    name, red, green, blue = " ".join(match[1].split()), int(match[2]), int(match[3]), int(match[4])
    # Scores are shown in Markdown tables, whose cells a | would end.
    if not name.isprintable() or set(name) & {"|", _SEPARATOR} or max(red, green, blue) > 255:
        return None
    return name, (red, green, blue)


def _palette(found: Sequence[tuple[str, Color]], where: str) -> Palette:
    classes = [(name, color) for name, color in found if name != _NO_CLASS]
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise UserError(f"{where} has {len(classes)} classes, but it must have 2 to {MOST_CLASSES}")
    names, colors = zip(*classes, strict=True)
    # Black is the colour of no class where nothing else is said, as in Cityscapes; masks have it as a class.
    unlabelled = dict(found).get(_NO_CLASS, None if UNLABELLED in colors else UNLABELLED)
    return Palette(names, colors, unlabelled)
