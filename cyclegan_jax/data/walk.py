"""Finds the images below a folder, alike for training and for `translate`, and gives a reason for each one left out."""

from dataclasses import dataclass, field
from pathlib import Path

from cyclegan_jax import files
from cyclegan_jax.data.dataset import EXTENSIONS, UNREAD_EXTENSIONS
from cyclegan_jax.data.skipped import left_out_line


@dataclass
class Found:
    """Images, and what looks like one but is not read.

    Attributes:
        images: the files to read. A link to nothing or a FIFO is among them: reading it reports the error.
        left_out: the reason for leaving a file or folder out, by its path.
        also: endings that count as images beside `EXTENSIONS`.
    """

    images: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    def line(self) -> str | None:
        """Return the line about what is left out; see `skipped.left_out_line`."""
        return left_out_line(self.left_out)

    def add(self, file: Path) -> None:
        """Take what is no folder: as an image, as left out, or not at all, by its name."""
        suffix = file.suffix.lower()
        if suffix not in (*EXTENSIONS, *UNREAD_EXTENSIONS):
            return
        if file.name.startswith("."):
            self.left_out[file] = "hidden"
        elif suffix in UNREAD_EXTENSIONS and suffix not in self.also:
            self.left_out[file] = f"{suffix} is not read"
        else:
            self.images.append(file)


def walk(folder: Path, results: Path | None = None, also: tuple[str, ...] = ()) -> Found:
    """Find the images in a folder and its sub-folders, links to folders followed; hidden ones are left out.

    Each folder is read once, however many links lead to it: first those that lie in `folder` itself, then those that
    links lead to. So a link adds images, and renames none.

    Args:
        folder: where to begin; it may be hidden, or a link.
        results: a folder whose files are results and no inputs; ignored where it is `folder` itself.
        also: endings that count as images beside `EXTENSIONS`.

    Returns:
        The images, sorted by the parts of their paths: this keeps the files of a folder together. In plain text order,
        "a-b/1" comes between "a" and "a/1", since "-" sorts before "/".

    Raises:
        UnreadableError: a folder cannot be listed, or the system does not say what a file is.
    """
    found = Found(also=also)
    own = files.identity(folder)
    ignored = files.identity(results) if results is not None and files.is_dir(results) else own
    seen = {ignored} - {own}
    roots = [folder]
    for root in roots:  # it grows while it is read: by the links that are found
        target = files.identity(root)
        if target not in seen:
            roots += _read(root, found, seen)
        elif target != ignored:
            found.left_out[root] = "a link to a folder that is read already"
    found.images.sort(key=lambda path: path.relative_to(folder).parts)
    return found


def _read(root: Path, found: Found, seen: set[tuple[int, int]]) -> list[Path]:
    """Add the images below a folder to `found`, and its folders to `seen`; return the links to other folders."""
    seen.add(files.identity(root))
    links = []
    pending = [root]
    while pending:
        for path in files.entries(pending.pop()):
            if not files.is_dir(path):
                found.add(path)
            elif path.name.startswith("."):
                found.left_out[path] = "hidden folder"
            elif path.is_symlink():
                links.append(path)
            elif files.identity(path) not in seen:
                seen.add(files.identity(path))
                pending.append(path)
    return links
