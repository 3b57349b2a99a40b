"""Count what the kernels of a program compiled for a GPU read, write and compute, from XLA's text of the program."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "all-reduce-done", "all-gather-done"}
_LINE = re.compile(r"\s*(?:ROOT )?%(\S+) = (\(.*?\)|\S+) ([a-z][\w\-]*)\((.*)$")
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")


@dataclass(frozen=True)
class Kernel:
    """One launch.

    Attributes:
        kind: the table's row, such as "convolution, forward" or "fusion, reduce".
        bytes: size of its operands and results. An operand that it reads twice counts once; one that it reads in part
            counts whole, except for slices.
        flops: of a convolution, two per multiplication and addition; 0 for others.
    """

    kind: str
    bytes: int
    flops: float = 0.0


def kernels(text: str) -> Iterator[Kernel]:
    """The launches of the entry computation of a compiled module, in order."""
    entry = text[text.index("\nENTRY ") :]
    shapes: dict[str, str] = {}
    for line in entry[: entry.index("\n}")].splitlines()[2:]:
        match = _LINE.match(line)
        if match is None:
            continue
        name, shape, operation, rest = match.groups()
        shapes[name] = shape
        if operation in _FREE:
            continue
        operands = [shapes[operand] for operand in re.findall(r"%([\w.\-]+)", _arguments(rest)) if operand in shapes]
        sliced = operation.endswith("slice") or name.startswith("wrapped_slice")
        moved = 2 * _bytes(shape) if sliced else sum(_bytes(each) for each in (shape, *operands))
        if "__cudnn$conv" in rest:
            pass_name, flops = _convolution(shape, operands, rest)
            yield Kernel(f"convolution, {pass_name}", moved, flops)
        elif operation.startswith(("all-", "collective")):
            yield Kernel(operation.removesuffix("-start"), sum(_bytes(each) for each in operands))
        else:
            yield Kernel(_kind(name, operation), moved)


def _convolution(shape: str, operands: list[str], rest: str) -> tuple[str, float]:
    """Which of the three passes a convolution is, and its FLOPs; arrays are (N, H, W, C), kernels (O, h, w, I)."""
    result, first, second = (_dimensions(each)[0] for each in (shape, *operands[:2]))
    if "BackwardFilter" in rest:
        # Each pixel of the gradient meets each tap for all pairs of channels; the result has the kernel's shape.
        return "weights", 2 * prod(result) * prod(second[:3])
    if "BackwardInput" in rest:
        return "input", 2 * prod(second) * prod(first[:3])
    return "forward", 2 * prod(second) * prod(result[:3])


def _kind(name: str, operation: str) -> str:
    if operation != "fusion":
        return operation
    for part in ("reduce", "concatenate", "transpose"):
        if part in name:
            return f"fusion, {part}"
    return "fusion, elementwise"


def _arguments(rest: str) -> str:
    depth = 1
    for place, character in enumerate(rest):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return rest[:place]
    return rest


def _dimensions(shape: str) -> list[list[int]]:
    return [[int(side) for side in sides.split(",") if side] for _, sides in _ARRAY.findall(shape)]


def _bytes(shape: str) -> int:
    types = [kind for kind, _ in _ARRAY.findall(shape)]
    return sum(_BYTES.get(kind, 0) * prod(sides) for kind, sides in zip(types, _dimensions(shape), strict=True))
