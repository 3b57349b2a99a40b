"""The pickles in PyTorch's files, read without running anything of theirs: tensors as descriptions, all else refused.

A pickle is a program for a small stack machine, and Python's own machine calls any function that a pickle names. The
machine here has only the operations that `torch.save` writes for tensors in dictionaries. It imports nothing for a
pickle, and calls only the functions in `_FUNCTIONS`. It has no recursion, and its work is limited.
"""

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from cyclegan_jax.exchange import torch_tensor
from cyclegan_jax.exchange.torch_tensor import MAX_INT, STORAGES, FormatError, Storage, damaged, shown

MAX_BYTES: Final = 4 << 20
"""Bytes of the longest pickle that is read; that of a CycleGAN with its optimizers has 50 kB."""
_MAX_WORK: Final = 300_000
"""Operations, and elements that they copy; a CycleGAN with its optimizers takes 19,000."""
_MAX_PROTOCOL: Final = 5
"""The newest pickle protocol of Python 3.14."""
_DTYPES: Final = frozenset(
    (
        *("float64", "double", "float32", "float", "float16", "half", "bfloat16", "complex128", "complex64"),
        *("int64", "long", "int32", "int", "int16", "short", "int8", "uint8", "bool"),
    )
)
"""The dtypes of PyTorch that may stand beside tensors."""


@dataclass(frozen=True, eq=False)
class _Function:
    """A function that a pickle may call: one of ours, in place of the one that it names."""

    call: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class _StorageClass:
    dtype: str


def load(stream: BinaryIO) -> tuple[Any, dict[str, Storage]]:
    """Read one pickle, and leave the stream behind its end.

    Args:
        stream: in memory, of at most `MAX_BYTES` bytes.

    Returns:
        What the pickle describes, made of dictionaries, lists, tuples, strings, numbers and `torch_tensor.Tensor`; and
        the storages that it mentions, by key.

    Raises:
        FormatError: it is damaged, or asks for more than tensors.
    """
    machine = _Machine(stream)
    try:
        for operation, argument, _ in pickletools.genops(stream):
            machine.step(operation.name, argument)
    except ValueError as error:  # of genops: an unknown operation, or an argument that is cut off
        raise damaged("its pickle breaks off, or is none") from error
    result = machine.pop()
    if machine.stack or machine.marks:
        raise damaged("its pickle leaves values behind")
    return result, machine.storages


@dataclass(eq=False)
class _Machine:
    """The state of the machine, and what each operation does to it."""

    stream: BinaryIO
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)
    work: int = 0

    def step(self, name: str, argument: Any) -> None:
        """Execute one operation."""
        self.count(1)
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self.stack.append(tuple([self.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        else:
            raise FormatError(f"has a pickle with the operation {name}, which torch.save does not write: do not use it")

    def count(self, work: int) -> None:
        self.work += work
        if self.work > _MAX_WORK:
            raise FormatError("has a pickle of more operations than weights need: save model.state_dict() alone")

    def pop(self) -> Any:
        """Take the top of the stack, which must be above the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise damaged("its pickle takes a value that is not there")
        return self.stack.pop()

    def above_mark(self) -> list[Any]:
        """Take all that is above the last mark, and the mark."""
        if not self.marks:
            raise damaged("its pickle has no mark where it needs one")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def memoize(self, place: int) -> None:
        value = self.pop()
        self.stack.append(value)
        self.memo[place] = value

    def recall(self, place: int) -> None:
        if place not in self.memo:
            raise damaged("its pickle repeats a value that is not there")
        self.stack.append(self.memo[place])

    def add_items(self, values: list[Any]) -> None:
        target = self.pop()
        if not isinstance(target, dict) or len(values) % 2:
            raise damaged("its pickle adds items to something else than a dictionary")
        target.update(zip(map(_key, values[::2]), values[1::2], strict=True))
        self.stack.append(target)

    def add_elements(self, values: list[Any]) -> None:
        target = self.pop()
        if not isinstance(target, list):
            raise damaged("its pickle adds elements to something else than a list")
        target.extend(values)
        self.stack.append(target)

    def drop_attributes(self) -> None:
        """Ignore the attributes of a dictionary, such as `_metadata`; nothing else here has any."""
        self.pop()
        target = self.pop()
        if not isinstance(target, dict):
            raise damaged("its pickle gives attributes to something else than a dictionary")
        self.stack.append(target)

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, _Function) or not isinstance(arguments, tuple):
            raise damaged("its pickle calls something else than a function")
        self.count(sum(len(value) for value in arguments if isinstance(value, list | tuple)))
        try:
            result = function.call(*arguments)
        except TypeError as error:
            raise damaged(f"its pickle calls a function with {len(arguments)} arguments") from error
        self.stack.append(result)

    def name_from_stack(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise damaged("its pickle names a function by something else than a string")
        self.name(f"{module} {name}")

    def name(self, words: str) -> None:
        """Push what stands for a global of Python, written `module name`; refuse one that has no place in weights."""
        module, _, name = words.partition(" ")
        if function := _FUNCTIONS.get(f"{module}.{name}"):
            self.stack.append(function)
        elif module in ("torch", "torch.cuda") and name in _STORAGE_CLASSES:
            self.stack.append(_STORAGE_CLASSES[name])
        elif module == "torch" and name in _DTYPES:
            self.stack.append(f"torch.{name}")
        else:
            # Formats of before 2020 describe a module as ("module", class, file, source).
            old_module = bool(self.stack) and isinstance(self.stack[-1], str) and self.stack[-1] == "module"
            raise _refused(f"{module}.{name}", old_module or bool(_NEW_OBJECT.match(self.stream.read(8))))

    def refer(self) -> None:
        """Replace the description of a storage by the storage."""
        match self.pop():
            case ("storage", _StorageClass(dtype=dtype), str(key), str(), size):
                found = torch_tensor.storage(key, dtype, size, None)
            case ("storage", _StorageClass(dtype=dtype), str(key), str(), size, view):
                found = torch_tensor.storage(key, dtype, size, view)
            case _:
                raise damaged("its pickle refers to something else than a storage")
        known = self.storages.setdefault(key, found)
        if (known.dtype, known.size) != (found.dtype, found.size):
            raise damaged(f"the storage {shown(key)} has two types or sizes")
        self.stack.append(found)


def _refused(name: str, is_class: bool) -> FormatError:
    subject = shown(name)[1:-1]
    if is_class:
        return FormatError(
            f"holds a whole Python object ({subject}), which cannot be read without running code: load it with PyTorch "
            "where its code is, and save model.state_dict() instead of the model"
        )
    if name.startswith("torch."):
        return FormatError(
            f"holds {subject}, but only dense tensors of ordinary number types are read: save model.state_dict() of a "
            "network with such tensors"
        )
    return FormatError(
        f"asks to run {subject}, which weights never need, so nothing was run: get the file from somebody whom you "
        "trust, or save model.state_dict() alone"
    )


def _ordered_dict(pairs: object = ()) -> dict[Any, Any]:
    """The dictionary of `OrderedDict(pairs)`: Python 2 wrote all pairs here, Python 3 adds them later."""
    result: dict[Any, Any] = {}
    for pair in pairs if isinstance(pairs, list | tuple) else [None]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise damaged("a dictionary is made of something else than pairs")
        result[_key(pair[0])] = pair[1]
    return result


def _key(value: object) -> str | int:
    # Others could keep Python's hash busy for years: a deeply nested tuple whose parts are one object, or numbers that
    # collide.
    if isinstance(value, str) or (isinstance(value, int) and abs(value) < MAX_INT):
        return value
    raise FormatError(
        f"holds a dictionary with a key of the type {type(value).__name__}, but only strings and whole numbers are "
        "read: save model.state_dict() alone"
    )


def _size(values: object) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise damaged("a torch.Size is made of something else than numbers")
    return tuple(values)


def _check_protocol(number: int) -> None:
    if number > _MAX_PROTOCOL:
        raise FormatError(
            f"has a pickle of protocol {number}, but the newest known one is {_MAX_PROTOCOL}: save it with "
            "torch.save(..., pickle_protocol=2)"
        )


_FUNCTIONS: Final = {
    "collections.OrderedDict": _Function(_ordered_dict),
    "torch.Size": _Function(_size),
    "torch._utils._rebuild_tensor": _Function(torch_tensor.tensor),
    "torch._utils._rebuild_tensor_v2": _Function(torch_tensor.tensor_v2),
    "torch._utils._rebuild_parameter": _Function(torch_tensor.parameter),
}
_STORAGE_CLASSES: Final = {f"{name}Storage": _StorageClass(dtype) for name, dtype in STORAGES.items()}
_NEW_OBJECT: Final = re.compile(rb"(?:q.|r....|\x94)?\)\x81", re.DOTALL)
"""The operations behind a class of which a pickle makes an object: memoize it, no arguments, make the object."""
_LITERALS: Final = frozenset(
    (
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"),
    )
)
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OPERATIONS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": lambda _, number: _check_protocol(number),
    "FRAME": lambda machine, length: None,
    "STOP": lambda machine, _: None,
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "BINPUT": _Machine.memoize,
    "LONG_BINPUT": _Machine.memoize,
    "MEMOIZE": lambda machine, _: machine.memoize(len(machine.memo)),
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.above_mark())),
    "APPEND": lambda machine, _: machine.add_elements([machine.pop()]),
    "APPENDS": lambda machine, _: machine.add_elements(machine.above_mark()),
    "SETITEM": lambda machine, _: machine.add_items([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.add_items(machine.above_mark()),
    "GLOBAL": _Machine.name,
    "INST": _Machine.name,
    "STACK_GLOBAL": lambda machine, _: machine.name_from_stack(),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.drop_attributes(),
    "BINPERSID": lambda machine, _: machine.refer(),
}
