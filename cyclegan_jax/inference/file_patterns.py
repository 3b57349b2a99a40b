"""File patterns such as `photos/**/*.jpg`, which end even where links lead in a circle."""

import glob
from pathlib import Path

from cyclegan_jax.files import entries, identity, is_dir


def matching(pattern: str) -> set[Path]:
    """Return the paths that a pattern names; `**` is any number of folders, links to folders followed.

    With `**`, `glob.glob` follows links too, but returns a file up to 40 times where a link leads back to a folder
    above it, and does not end where there are two such links.

    Raises:
        UnreadableError: a folder that `**` stands for cannot be listed.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        return set(map(Path, glob.glob(pattern)))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    place = parts.index("**")
    below = parts[place + 1 :] or ("*",)
    tops = glob.glob(str(Path(*parts[:place])))  # noqa: PTH207
    found: set[Path] = set()
    for top in tops:
        for folder in _folders_below(Path(top)) if is_dir(top) else []:
            found |= matching(str(Path(glob.escape(str(folder)), *below)))
    return found


def _folders_below(top: Path) -> list[Path]:
    """Return a folder and all below it but hidden ones, links followed, each real folder once."""
    # Real folders come before links: a file is found under its own path rather than under that of a link.
    pending, links, folders = [top], list[Path](), list[Path]()
    seen: set[tuple[int, int]] = set()
    while pending or links:
        folder = (pending or links).pop(0)
        found = identity(folder)
        if found in seen:
            continue
        seen.add(found)
        folders.append(folder)
        for path in entries(folder):
            if is_dir(path) and not path.name.startswith("."):
                (links if path.is_symlink() else pending).append(path)
    return folders
