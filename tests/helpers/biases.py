"""Which parameters have a gradient of exactly zero, so that only rounding moves them."""

from typing import Any


def bias_feeds_norm(path: tuple[Any, ...]) -> bool:
    """Whether a parameter is a bias that an instance norm cancels: all but the last layers' and D's first."""
    names = [str(entry.key) for entry in path]
    if names[-1] != "bias" or "head" in names:
        return False
    return names[-3:-1] != ["convs", "0"]
