"""Tensors of a file as descriptions: which storage they are a view on, and that they do not leave it."""

from dataclasses import dataclass
from typing import Final, TypeGuard

STORAGES: Final = {
    "Double": "f8",
    "Float": "f4",
    "Half": "f2",
    "BFloat16": "bfloat16",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "bool",
    "ComplexDouble": "c16",
    "ComplexFloat": "c8",
}
"""The dtype of each storage class, such as `torch.FloatStorage`: a name of NumPy's, or `bfloat16`."""
MAX_INT: Final = 1 << 60
"""Above every size and offset."""
_MAX_AXES: Final = 32


class FormatError(Exception):
    """A file is not what it should be. The message continues a sentence that begins with the file's path."""


@dataclass(frozen=True, eq=False)
class Storage:
    """A one-dimensional array of a file, on which tensors are views.

    Attributes:
        key: its name in the file.
        dtype: one of the values of `STORAGES`.
        size: its number of elements.
        start: the first element that tensors may use; old files have views of storages.
        length: the number of elements that tensors may use.
    """

    key: str
    dtype: str
    size: int
    start: int
    length: int

    @property
    def nbytes(self) -> int:
        """The bytes that it takes in the file."""
        return self.size * itemsize(self.dtype)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view on a storage, which it does not leave; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def itemsize(dtype: str) -> int:
    """The bytes of one element of a dtype, one of the values of `STORAGES`."""
    return {"bfloat16": 2, "bool": 1}.get(dtype) or int(dtype[1:])


def shown(name: str) -> str:
    """A name from a file as part of a sentence: on one line, and short."""
    text = repr(name[:80])
    return text if len(text) <= 80 else f"{text[:77]}..."


def damaged(what: str) -> FormatError:
    """The error of a file that its program did not leave like this."""
    return FormatError(f"is damaged ({what}): copy or download it again")


def is_size(value: object) -> TypeGuard[int]:
    """Whether a value is a number that a size or an offset can be."""
    return type(value) is int and 0 <= value < MAX_INT


def storage(key: str, dtype: str, size: object, view: object) -> Storage:
    """Describe a storage.

    Args:
        key: its name in the file.
        dtype: one of the values of `STORAGES`.
        size: its number of elements.
        view: None, or the name, start and length of a view of it, which old files have.

    Raises:
        FormatError: the numbers are none, or the view leaves the storage.
    """
    match view:
        case None:
            start, length = 0, size
        case (str(), start, length):
            pass
        case _:
            raise damaged(f"the view of the storage {shown(key)} is none")
    if not (is_size(size) and is_size(start) and is_size(length) and start + length <= size):
        raise damaged(f"the size of the storage {shown(key)} is wrong")
    return Storage(key, dtype, size, start, length)


def tensor(storage: object, offset: object, shape: object, strides: object) -> Tensor:
    """Describe a tensor, by the arguments of PyTorch's function `_rebuild_tensor`; offset and strides count elements.

    Raises:
        FormatError: the arguments are no such things, or the tensor leaves its storage.
    """
    if not isinstance(storage, Storage):
        raise damaged("a tensor has no storage")
    if not (is_size(offset) and _are_sizes(shape) and _are_sizes(strides) and len(shape) == len(strides)):
        raise damaged("the size, stride or offset of a tensor is wrong")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if offset > storage.length or (0 not in shape and last >= storage.length):
        raise damaged(
            f"a tensor of size {shape}, stride {strides} and offset {offset} leaves its storage "
            f"{shown(storage.key)} of {storage.length} elements"
        )
    return Tensor(storage, offset, shape, strides)


def tensor_v2(
    storage: object,
    offset: object,
    shape: object,
    strides: object,
    requires_grad: object,
    backward_hooks: object,
    metadata: object = None,
) -> Tensor:
    """Describe a tensor, by the arguments of PyTorch's function `_rebuild_tensor_v2`; see `tensor`."""
    if metadata:
        raise FormatError(
            "holds a tensor that is a conjugate, negative or other lazy view: save its values, from .resolve_conj() "
            "and .resolve_neg()"
        )
    return tensor(storage, offset, shape, strides)


def parameter(data: object, requires_grad: object, backward_hooks: object) -> Tensor:
    """Return the tensor of a parameter, by the arguments of PyTorch's function `_rebuild_parameter`."""
    if not isinstance(data, Tensor):
        raise damaged("a parameter has no tensor")
    return data


def _are_sizes(values: object) -> TypeGuard[tuple[int, ...]]:
    return isinstance(values, tuple) and len(values) <= _MAX_AXES and all(map(is_size, values))
