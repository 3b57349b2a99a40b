"""Build the API reference as HTML from the docstrings; every warning is an error.

    python docs/build_api.py [FOLDER]

writes FOLDER (default: build/api), whose index.html lists the public functions, the config and the classes that the
functions return. Needs `pip install -e '.[docs]'`.
"""

import inspect
import sys
import typing
import warnings
from collections.abc import Iterable
from pathlib import Path

import cyclegan_jax

SUBMODULES = ("config", "recipes")
"""Modules that the first page links, beside the functions that `cyclegan_jax` itself exports."""


def resolve_exports() -> list[typing.Any]:
    """Import every name in `cyclegan_jax.__all__`, which the package itself does only on first use.

    pdoc looks into a module's dictionary and does not call its `__getattr__`.
    """
    exports = [getattr(cyclegan_jax, name) for name in cyclegan_jax.__all__]
    for name, value in zip(cyclegan_jax.__all__, exports, strict=True):
        setattr(cyclegan_jax, name, value)
    return exports


def modules_returned_by(exports: Iterable[typing.Any]) -> list[str]:
    """The package's modules that define the classes which exported functions return."""
    found = set()
    for function in filter(inspect.isfunction, exports):
        returned = typing.get_type_hints(function).get("return")
        found |= {kind.__module__ for kind in (returned, *typing.get_args(returned)) if inspect.isclass(kind)}
    return sorted(name for name in found if name.startswith("cyclegan_jax."))


def build(folder: Path) -> None:
    """Write the pages and check that each export has an entry on the first one.

    Raises:
        UserWarning: pdoc found something that it cannot document.
        RuntimeError: an export has no entry.
    """
    exports = resolve_exports()
    modules = modules_returned_by(exports)
    public = list(cyclegan_jax.__all__)
    cyclegan_jax.__all__ = [*public, *SUBMODULES]

    # pdoc comes last: importing JAX and Flax may warn of things that are none of this page's concern.
    import pdoc

    pdoc.render.configure(docformat="google", footer_text=f"cyclegan-jax {_version()}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc("cyclegan_jax", *modules, output_directory=folder)  # what `__all__` lists of a package is included
    page = (folder / "cyclegan_jax.html").read_text()
    missing = [name for name in public if f'id="{name}"' not in page]
    if missing:
        raise RuntimeError(f"{folder / 'cyclegan_jax.html'} has no entry for {', '.join(missing)}")


def _version() -> str:
    from importlib.metadata import version

    return version("cyclegan-jax")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/api")
    build(target)
    print(target / "index.html")
