"""The rooms depend one way: a module imports its own room and those before it, and no modules import in a circle."""

import ast
import graphlib
from pathlib import Path

import pytest

from tests.helpers.scripts import load_script

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cyclegan_jax"
MAP = load_script(ROOT / "docs" / "build_map.py")
PAPERS_PLACE = MAP.ROOMS.index("checkpoints")
ORDER = (
    {
        "errors",
        "files",
        "live",
        "console",
        "config_checks",
        "config_limits",
        "image_size",
        "data_config",
        "epochs",
        "network_config",
        "loss_config",
        "optimizer_config",
        "config",
        "config_dict",
        "config_paths",
        "recipes",
        "user_functions",
        "web_page",
    },
    *({room} for room in MAP.ROOMS[:PAPERS_PLACE]),
    set(MAP.PAPER),
    *({room} for room in MAP.ROOMS[PAPERS_PLACE:]),
)
"""Rooms and root modules in the order in which they may import each other: a set imports itself and earlier ones."""
OPEN_ROOMS = {"__init__", "__main__"}
"""Modules that re-export the public API from any room, lazily."""


def imports_of(path: Path) -> set[str]:
    """The modules of the package that a file imports, anywhere in it, as dotted names below the package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "cyclegan_jax":
            base = node.module.split(".")[1:]
            for alias in node.names:
                found.add(_module(".".join([*base, alias.name])) or ".".join(base))
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("cyclegan_jax.") for a in node.names if a.name.startswith("cyclegan_jax.")}
    return found - {""}


def _module(name: str) -> str | None:
    """`name` where it is a module or a room; None where its last part is something inside a module."""
    path = PACKAGE.joinpath(*name.split("."))
    return name if path.with_suffix(".py").is_file() or path.is_dir() else None


def package_imports() -> dict[str, set[str]]:
    """Each module's imports within the package, by dotted name."""
    files = {path: ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    return {name: imports_of(path) for path, name in files.items()}


def rank(module: str) -> int:
    """The place of a module's room in `ORDER`."""
    room = module.split(".")[0]
    (place,) = [place for place, names in enumerate(ORDER) if room in names]
    return place


def test_every_module_has_a_place_in_the_order():
    for module in package_imports():
        if module not in OPEN_ROOMS:
            rank(module)


def test_no_room_imports_a_later_one():
    wrong = [
        f"{module} imports {imported}"
        for module, imports in package_imports().items()
        if module not in OPEN_ROOMS
        for imported in imports
        if rank(imported) > rank(module)
    ]
    assert not wrong, wrong


def test_no_modules_import_in_a_circle():
    graph = {name: imports for name, imports in package_imports().items() if name not in OPEN_ROOMS}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which lists the circle


def test_kernels_know_jax_alone():
    for module, imports in package_imports().items():
        if module.startswith("kernels."):
            assert all(imported.startswith("kernels") for imported in imports), (module, imports)


def test_a_circle_would_be_found():
    with pytest.raises(graphlib.CycleError):
        tuple(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
