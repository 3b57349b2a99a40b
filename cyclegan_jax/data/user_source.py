"""A data set that the user's own function makes: `data.source` is `module:function`."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.dataset import Dataset, Example, Split, listing
from cyclegan_jax.errors import UserError
from cyclegan_jax.user_functions import load_function, reporting


def open_dataset(config: DataConfig) -> Dataset:
    """Call the function that `config.source` names with `config`, and return its data set.

    Raises:
        UserError: there is no such function, it raises an error, or it returns something else. Errors of its splits
            are raised as such too, with the place in the user's code, when an image is read.
    """
    function = load_function(config.source, "data.source")
    data = function(config)
    if not isinstance(data, Dataset):
        raise UserError(
            f"the function {config.source} returned {type(data).__name__}, but it must return a "
            "cyclegan_jax.data.dataset.Dataset"
        )
    for name in ("train_A", "train_B", "test_A", "test_B"):
        if not isinstance(getattr(data, name), Split):
            raise UserError(
                f"{name} of the data set that {config.source} returned is of type "
                f"{type(getattr(data, name)).__name__}, but a split needs a length, access by index and names(): see "
                "docs/extending.md"
            )
    train_A, train_B, test_A, test_B = (
        _Reported(split, config.source) for split in (data.train_A, data.train_B, data.test_A, data.test_B)
    )
    for name, split in (("train_A", train_A), ("train_B", train_B)):
        if not len(split):
            raise UserError(f"{name} of the data set that {config.source} returned has no images: it needs at least 1")
    return dataclasses.replace(data, train_A=train_A, train_B=train_B, test_A=test_A, test_B=test_B)


class _Reported:
    """A split of the user's whose errors are `UserFunctionError`s."""

    def __init__(self, split: Split, spec: str):
        self._split, self._spec = split, spec
        self._module = sys.modules.get(spec.partition(":")[0])

    def _call(self, method: Callable[..., Any], *args: Any) -> Any:
        return reporting(method, self._spec, self._module)(*args)

    def __len__(self) -> int:
        return int(self._call(self._split.__len__))

    def __getitem__(self, index: int, /) -> Example:
        example = self._call(self._split.__getitem__, index)
        if not (isinstance(example, Example) and isinstance(example.encoded, bytes) and isinstance(example.name, str)):
            raise UserError(
                f"image {index} of a split of {self._spec} is no cyclegan_jax.data.dataset.Example of bytes and a "
                "name: give it the content of an image file"
            )
        return example

    def names(self) -> Sequence[str]:
        """Return the name of every example."""
        return list(self._call(self._split.names))

    def listing(self) -> Sequence[tuple[str, int]]:
        """Return the name and the size of every example, -1 where the user's split does not say."""
        listed = listing(self._split)
        return listed or [(name, -1) for name in self.names()]
