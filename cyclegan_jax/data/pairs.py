"""Pairs of test images: an image of A and an image of B that have the same file name."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from cyclegan_jax.data.dataset import Split
from cyclegan_jax.errors import UserError


class NoPairsError(UserError):
    """No file name is in both splits: the data set is unpaired."""


def paired(test_A: Split, test_B: Split) -> list[tuple[int, int]]:
    """Pair the test images of A and B by file name, without reading them.

    The extension is ignored, and so is an ending _A or _B that all names of a split have, as in `0_A.jpg` and `0_B.jpg`
    from the official scripts.

    Returns:
        (index in A, index in B) of each pair, in the order of A; images without a partner are left out.

    Raises:
        NoPairsError: no name is in both splits.
        UserError: a split is empty, or two files of a split have one name.
    """
    stems_A, stems_B = _index_by_stem(test_A, "A"), _index_by_stem(test_B, "B")
    pairs = [(index, stems_B[stem]) for stem, index in stems_A.items() if stem in stems_B]
    if not pairs:
        raise NoPairsError(
            "no test image of A has a partner in B: the two images of a pair need the same file name, up to the "
            f"extension, but A has {_first_few(stems_A)} and B has {_first_few(stems_B)}"
        )
    return pairs


def pair_ending(stems: Iterable[str], domain: str) -> str:
    """Return the ending `_A` or `_B` of a domain if all file stems have it, else an empty string."""
    ending = f"_{domain}"
    return ending if all(stem.endswith(ending) for stem in stems) else ""


def _index_by_stem(split: Split, domain: str) -> dict[str, int]:
    names = split.names()
    if not names:
        raise UserError(f"there are no test images of domain {domain}: put them in the folder test{domain} of data.dir")
    index_of: dict[str, int] = {}
    ending = pair_ending([Path(name).stem for name in names], domain)
    for index, name in enumerate(names):
        first = index_of.setdefault(Path(name).stem.removesuffix(ending), index)
        if first != index:
            raise UserError(
                f"the test images {names[first]} and {name} of domain {domain} have the same name, so their partners "
                "are ambiguous: rename one of them and its partner"
            )
    return index_of


def _first_few(stems: Mapping[str, int]) -> str:
    return ", ".join(list(stems)[:3]) + (", ..." if len(stems) > 3 else "")
