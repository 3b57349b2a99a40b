"""Write the map of the code in docs/architecture.md from the first line of each module's docstring.

    python docs/build_map.py

A test compares the page with `code_map()`, so run this after adding, renaming or deleting a module.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cyclegan_jax"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- The map, written by `python docs/build_map.py`. -->"
END = "<!-- End of the map. -->"
PAPER = (
    "objective",
    "gan_losses",
    "gradient_penalty",
    "diff_augment",
    "image_pool",
    "learning_rates",
    "optimizer",
    "periods",
    "state",
    "updates",
    "accumulation",
    "train_step",
)
"""Modules at the root that are the paper's algorithm; the other ones come before every room."""
ROOMS = (
    *("kernels", "networks", "data", "devices", "checkpoints"),
    *("exchange", "inference", "evaluation", "training", "cli"),
)
"""The rooms in the order of imports; the paper's modules stand between `devices` and `checkpoints`."""


def code_map() -> str:
    """The map as Markdown: a table for each room, in the order in which rooms may import each other.

    Raises:
        ValueError: a room is missing in `ROOMS`, or a module has no docstring.
    """
    unknown = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - set(ROOMS)
    if unknown:
        raise ValueError(f"docs/build_map.py does not know the room {sorted(unknown)[0]}: add it to ROOMS")
    root = sorted(path for path in PACKAGE.glob("*.py") if path.stem not in ("__init__", "__main__"))
    parts = [
        _table("Foundations", "Used by every room.", [path for path in root if path.stem not in PAPER], PACKAGE),
        *(_room(name) for name in ROOMS[: ROOMS.index("checkpoints")]),
        _table("The paper", "The algorithm.", [PACKAGE / f"{name}.py" for name in PAPER], PACKAGE),
        *(_room(name) for name in ROOMS[ROOMS.index("checkpoints") :]),
        _table("The start", "Run by Python.", [PACKAGE / "__main__.py"], PACKAGE),
    ]
    return "\n".join(parts)


def replace_map(page: str) -> str:
    """The text of the page with the map between its markers written anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{code_map()}\n{END}{after}"


def summary(path: Path) -> str:
    """The first line of a module's docstring.

    Raises:
        ValueError: there is none.
    """
    text = ast.get_docstring(ast.parse(path.read_text()))
    if not text:
        raise ValueError(f"{path} has no docstring: say in one line what the module does")
    return text.partition("\n")[0]


def _room(name: str) -> str:
    folder = PACKAGE / name
    return _table(f"`{name}/`", summary(folder / "__init__.py"), list(_modules(folder)), folder)


def _modules(folder: Path) -> Iterator[Path]:
    """The modules of a room, those of its sub-folders last."""
    files = sorted(folder.rglob("*.py"), key=lambda path: (len(path.parts), path))
    return (path for path in files if path.name != "__init__.py")


def _table(title: str, line: str, paths: list[Path], folder: Path) -> str:
    rows = [f"| `{path.relative_to(folder)}` | {summary(path).replace('|', chr(92) + '|')} |" for path in paths]
    return "\n".join([f"### {title}", "", line, "", "| file | |", "|---|---|", *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(replace_map(PAGE.read_text()))
