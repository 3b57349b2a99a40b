"""PyTorch's files, made by hand: what is read, and that others are refused in one sentence, without running them."""

import os
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import torch_file
from tests.helpers.torch_files import (
    Raw,
    Stored,
    a_global,
    call,
    pickled,
    stored,
    stream_file,
    stream_of_pickle,
    zip_file,
    zip_of_pickle,
)
from tests.helpers.users import not_the_superuser

NUMBERS = np.arange(24, dtype="f4").reshape(4, 6)
CONTAINERS = {"zip": zip_file, "stream": stream_file}
both = pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)


def read(folder: Path, content: bytes, name: str = "weights.pth") -> dict[str, np.ndarray]:
    (folder / name).write_bytes(content)
    return torch_file.read(folder / name)


def refusal(folder: Path, content: bytes, name: str = "weights.pth") -> str:
    """What the error says behind the path, which is one sentence on one line."""
    with pytest.raises(UserError) as caught:
        read(folder, content, name)
    said = str(caught.value)
    assert said.startswith(f"{folder / name} ") and "\n" not in said and len(said) < 500
    return said.removeprefix(f"{folder / name} ")


@both
def test_tensors_are_read_in_the_files_order(tmp_path: Path, container: Callable[..., bytes]) -> None:
    state = {
        "z": NUMBERS,
        "a.weight": np.array([1, 2], "f8"),
        "a.num_batches_tracked": np.array(3, "i8"),
        "half": np.array([1.5, -2, np.inf], "f2"),
        "mask": np.array([True, False]),
        "empty": np.zeros((0, 5), "f4"),
    }
    found = read(tmp_path, container({name: stored(str(index), a) for index, (name, a) in enumerate(state.items())}))
    assert list(found) == list(state)
    for name, array in state.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == ("f4" if name == "half" else array.dtype)
        assert not found[name].flags.writeable


@both
def test_views_have_the_values_of_the_storage(tmp_path: Path, container: Callable[..., bytes]) -> None:
    raw = NUMBERS.tobytes()
    found = read(
        tmp_path,
        container(
            {
                "whole": Stored("0", raw, (4, 6)),
                "transposed": Stored("0", raw, (6, 4), strides=(1, 6)),
                "sliced": Stored("0", raw, (2, 3), strides=(6, 2), offset=7),
                "one": Stored("0", raw, (), offset=23),
                "repeated": Stored("0", raw, (3, 2), strides=(0, 1), offset=4),
                "side of one": Stored("0", raw, (1, 2), strides=(1 << 59, 1)),
            }
        ),
    )
    expected = {"whole": NUMBERS, "transposed": NUMBERS.T, "sliced": NUMBERS[1:3, 1::2], "one": NUMBERS[3, 5]}
    expected |= {"repeated": np.tile(NUMBERS[0, 4:], (3, 1)), "side of one": NUMBERS[:1, :2]}
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    assert np.shares_memory(found["whole"], found["transposed"])


def test_bfloat16_is_the_upper_half_of_float32(tmp_path: Path) -> None:
    values = np.array([1, -2.5, 0, np.inf], "f4")
    upper = (values.view("u4") >> 16).astype("u2")
    found = read(tmp_path, zip_file({"a": Stored("0", upper.tobytes(), (4,), "BFloat16")}))
    np.testing.assert_array_equal(found["a"], values, strict=True)


def test_big_endian_archives_are_read(tmp_path: Path) -> None:
    for array in (NUMBERS, np.array([1, 1 << 40], "i8"), np.array([1.5], "f2")):
        swapped = Stored("0", array.byteswap().tobytes(), array.shape, stored("0", array).kind)
        found = read(tmp_path, zip_file({"a": swapped}, notes={"byteorder": b"big"}))["a"]
        np.testing.assert_array_equal(found, array)
        assert found.dtype.isnative
    assert "byte order is 'middle'" in refusal(
        tmp_path, zip_file({"a": stored("0", NUMBERS)}, notes={"byteorder": b"middle"})
    )
    said = refusal(tmp_path, stream_file({"a": stored("0", NUMBERS)}, little_endian=False))
    assert "big-endian machine" in said


@both
def test_old_and_other_spellings_are_read(tmp_path: Path, container: Callable[..., bytes]) -> None:
    ordered = a_global("collections", "OrderedDict")
    tensor = stored("0", NUMBERS, module="torch.cuda", location="cuda:0", function="_rebuild_tensor")
    parameter = Raw(call(a_global("torch._utils", "_rebuild_parameter"), Raw(b"\x89"), True, {}).operations)
    assert "parameter has no tensor" in refusal(tmp_path, container({"a": parameter}))
    found = read(tmp_path, container({"state_dict": {"a": tensor}, "size": call(a_global("torch", "Size"), (1, 2))}))
    np.testing.assert_array_equal(found["a"], NUMBERS)
    old = container is stream_file
    items = pickled([["a", stored("0", NUMBERS)]], old)[2:-1]
    content = b"\x80\x02" + ordered.operations + items + b"\x85R}(U\x09_metadata}ub."  # as Python 2 writes it
    if old:
        made = stream_of_pickle(content, {"0": stored("0", NUMBERS)})
    else:
        made = zip_of_pickle(content, {"0": NUMBERS.tobytes()})
    np.testing.assert_array_equal(read(tmp_path, made)["a"], NUMBERS)


def test_a_view_of_a_storage_is_kept_to(tmp_path: Path) -> None:
    view = Stored("0", NUMBERS.tobytes(), (2, 2), view=("1", 5, 4))
    np.testing.assert_array_equal(read(tmp_path, stream_file({"a": view}))["a"], [[5, 6], [7, 8]])
    outside = Stored("0", NUMBERS.tobytes(), (5,), view=("1", 5, 4))
    assert "leaves its storage '0' of 4 elements" in refusal(tmp_path, stream_file({"a": outside}))
    longer = Stored("0", NUMBERS.tobytes(), (5,), view=("1", 20, 5))
    assert "size of the storage '0' is wrong" in refusal(tmp_path, stream_file({"a": longer}))


@both
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_that_all_have_are_removed(tmp_path: Path, container: Callable[..., bytes], prefix: str) -> None:
    tensor = stored("0", NUMBERS)
    assert list(read(tmp_path, container({f"{prefix}a": tensor, f"{prefix}b": tensor}))) == ["a", "b"]
    mixed = {f"{prefix}a": tensor, "b": tensor}
    assert list(read(tmp_path, container(mixed))) == list(mixed)


def test_safetensors_are_read_in_the_files_order(tmp_path: Path) -> None:
    state = {
        "module.z": NUMBERS,
        "module.a": np.array([1], "f2"),
        "module.n": np.array(3, "i8"),
        "module.b": np.ones(2, "?"),
    }
    found = read(tmp_path, safetensors.numpy.save(state), "model.safetensors")
    assert sorted(found) == ["a", "b", "n", "z"]
    assert list(found) == list(read(tmp_path, safetensors.numpy.save(state), "other_suffix.bin"))
    for name, array in found.items():
        np.testing.assert_array_equal(array, state[f"module.{name}"])
    assert (found["a"].dtype, found["n"].dtype) == (np.dtype("f4"), np.dtype("i8"))
    header = (
        b'{"b":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"a":{"dtype":"F32","shape":[],"data_offsets":[2,6]}}'
    )
    content = len(header).to_bytes(8, "little") + header + b"\x80\x3f" + np.float32(2).tobytes()
    assert list(read(tmp_path, content).items()) == [("b", np.array([1], "f4")), ("a", np.float32(2))]
    for end in (0, 5, 8, 30, len(header) + 8, len(content) - 1):
        refusal(tmp_path, content[:end])
    other = content.replace(b'"BF16","shape":[1]', b'"F8_E5M2","shape":[2]')
    other = (len(header) + 3).to_bytes(8, "little") + other[8:]
    assert "'b' of type F8_E5M2" in refusal(tmp_path, other)


def test_torch_files_are_known_by_suffix_or_content(tmp_path: Path) -> None:
    contents = {
        "a.pth": b"",
        "a.PT": b"",
        "a.bin": b"",
        "a.ckpt": b"",
        "a.txt": b"",
        "a": b"PK\x03\x04",
        "short": b"PK",
    }
    state = {"a": stored("0", NUMBERS)}
    contents |= {"zip": zip_file(state, folder="long_folder_name"), "stream": stream_file(state)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.pth").mkdir()
    found = {path.name for path in tmp_path.iterdir() if torch_file.is_torch_file(path)}
    assert found == {"a.pth", "a.PT", "a.bin", "a.ckpt", "zip", "stream"}
    assert not torch_file.is_torch_file(tmp_path / "nothing.pth")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.pth")
    for name, reason in {"": "a folder", "fifo.pth": "a FIFO", "nothing.pth": "No such file"}.items():
        with pytest.raises(UserError, match=f"{tmp_path / name} cannot be read \\(.*{reason}"):
            torch_file.read(tmp_path / name)
    locked = tmp_path / "locked.pth"
    locked.write_bytes(stream_file({"a": stored("0", NUMBERS)}))
    locked.chmod(0)
    denied = pytest.raises(UserError, match=r"locked.pth cannot be read \(Permission denied\)")
    with not_the_superuser(tmp_path), denied:
        torch_file.read(locked)


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch_script = zip_file({"a": stored("0", NUMBERS)}, notes={"constants.pkl": b"", "code/a.py": b""})
    cases = {
        "is empty": b"",
        "is no file of PyTorch weights": b"weights of a network\n" * 20,
        "is no file of PyTorch weights: name": pickle.dumps({"a": 1}),
        "without any entry": zip_of_pickle(b"", {}, notes={"data.pkl": None, "byteorder": None, "version": None}),
        "not one of torch.save": zip_of_pickle(b"", {}, notes={"data.pkl": None}),
        "is a TorchScript program": torch_script,
        "has version '11'": zip_file({"a": stored("0", NUMBERS)}, notes={"version": b"11\n"}),
        "has version 'x'": zip_file({"a": stored("0", NUMBERS)}, notes={"version": b"x"}),
        "unknown version": stream_file({"a": stored("0", NUMBERS)}, version=1002),
        "pickle of protocol 6": zip_of_pickle(b"\x80\x06}.", {}),
        "'archive/version' of 65 bytes": zip_file({"a": stored("0", NUMBERS)}, notes={"version": b"3" * 65}),
        "4,194,304 are read": zip_of_pickle(pickled("long" * (1 << 20)), {}),
        "pickles of more than 4,194,304": stream_of_pickle(pickled("long" * (1 << 20)), {}),
    }
    for reason, content in cases.items():
        assert reason in refusal(tmp_path, content)


@both
def test_what_is_no_state_dict_is_described(tmp_path: Path, container: Callable[..., bytes]) -> None:
    tensor = stored("0", NUMBERS)
    cases: dict[str, Any] = {
        "holds no tensors": {},
        "holds a tensor instead": tensor,
        "holds a list instead": [tensor],
        "holds something of the type int instead": 3,
        "a dictionary at 'G_AB'": {"G_AB": {"a": tensor}},
        "something of the type int at 'epoch'": {"a": tensor, "epoch": 3},
        "a tensor at '7'": {7: tensor},
        "key of the type tuple": {(1, 2): tensor},
        "a key of the type float": {1.5: tensor},
    }
    for reason, value in cases.items():
        assert reason in refusal(tmp_path, container(value))


@both
def test_tensors_that_leave_their_storage_are_refused(tmp_path: Path, container: Callable[..., bytes]) -> None:
    raw = NUMBERS.tobytes()
    wrong: list[dict[str, Any]] = [
        {"shape": (4, 7), "strides": (6, 1)},
        {"shape": (5, 6)},
        {"shape": (24,), "offset": 1},
        {"shape": (4, 6), "strides": (7, 1)},
        {"shape": (0,), "offset": 25},
        {"shape": (2,), "strides": (1 << 59,)},
        {"shape": (2,), "strides": (-1,), "offset": 3},
        {"shape": (-2,)},
        {"shape": (2,), "offset": -1},
        {"shape": (2,), "strides": (1, 1)},
        {"shape": (2.0,), "strides": (1,)},
        {"shape": (True,), "strides": (1,)},
        {"shape": [2], "strides": (1,)},
        {"shape": (1,) * 33},
        {"shape": (1 << 70,), "strides": (0,)},
        {"shape": (2,), "offset": None},
    ]
    for fields in wrong:
        said = refusal(tmp_path, container({"a": Stored("0", raw, **fields)}))
        assert "leaves its storage" in said or "size, stride or offset of a tensor is wrong" in said, said


@both
def test_storages_of_the_wrong_size_are_refused(tmp_path: Path, container: Callable[..., bytes]) -> None:
    for size in (2, 23, 25, -1, 1 << 59, 1 << 61, 24.0, None):
        tensor = Stored("0", NUMBERS.tobytes(), (1,), size=Raw(b"N") if size is None else size)
        said = refusal(tmp_path, container({"a": tensor}))
        assert "the storage '0'" in said or "of which at most" in said, said
    two = {"a": stored("0", NUMBERS), "b": Stored("0", NUMBERS.tobytes(), (1,), "Double", size=12)}
    assert "'0' has two types or sizes" in refusal(tmp_path, container(two))


def test_a_missing_storage_is_named(tmp_path: Path) -> None:
    tensor = stored("7", NUMBERS)
    assert "the storage '7' is missing" in refusal(tmp_path, zip_of_pickle(pickled({"a": tensor}), {}))
    said = refusal(tmp_path, stream_of_pickle(pickled({"a": tensor}, old=True), {}))
    assert "list of storages is not that of its tensors" in said


@both
def test_few_bytes_do_not_become_many(tmp_path: Path, container: Callable[..., bytes]) -> None:
    """A stride of 0 repeats a number for ever, and an empty tensor has sides of any length."""
    for shape in ((1 << 33,), (1 << 59, 1 << 59), (0, 1 << 50), (1 << 19,)):
        said = refusal(tmp_path, container({"a": Stored("0", NUMBERS.tobytes(), shape, strides=(0,) * len(shape))}))
        assert "of which at most 1,048,576 are read" in said
    views = {str(index): stored("0", np.zeros(1 << 14, "f4")) for index in range(17)}
    assert "of which at most" in refusal(tmp_path, container(views))


def test_compressed_archives_are_refused(tmp_path: Path) -> None:
    bomb = zip_file({"a": stored("0", np.zeros(1 << 20, "f4"))}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000
    assert "'archive/data.pkl' is compressed or encrypted" in refusal(tmp_path, bomb)
    plain = zip_file({"a": stored("0", NUMBERS)})
    place = plain.rindex(b"PK\x01\x02")
    overlapping = zipfile_with_entries_repeated(plain, place, 200)
    assert "together larger than the archive" in refusal(tmp_path, overlapping)


def zipfile_with_entries_repeated(content: bytes, last: int, times: int) -> bytes:
    """The archive with a directory that lists its entries several times: all share the same bytes."""
    begin, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    directory = content[begin:end] * times
    count = (content[begin:end].count(b"PK\x01\x02") * times).to_bytes(2, "little")
    place = begin.to_bytes(4, "little")
    return (
        content[:begin]
        + directory
        + b"PK\x05\x06"
        + bytes(4)
        + count * 2
        + len(directory).to_bytes(4, "little")
        + (place + bytes(2))
    )


@both
def test_pickles_that_grow_are_refused_quickly(tmp_path: Path, container: Callable[..., bytes]) -> None:
    nested = b")" + b"\x85q\x00h\x00\x86" * 100  # tuples of twice the same tuple: hashing them takes 2^100 steps
    long_list = b"](" + b"K\x01" * 50_000 + b"eq\x00"
    copies = b"ctorch\nSize\nh\x00\x85R" * 20_000
    values = {
        "key of the type tuple": Raw(b"}" + nested + b"K\x01s"),
        "holds a list": Raw(b"]" * 100_000 + b"a" * 99_999),
        "more operations than weights need": Raw(b"(" + long_list + copies + b"t"),
        "more operations than": Raw(b"]" + b"]a" * 300_000),
        "repeats a value that is not there": Raw(b"j\xff\xff\xff\xff"),
    }
    for reason, value in values.items():
        assert reason in refusal(tmp_path, container(value))


@both
def test_a_truncated_file_is_refused_at_every_byte(tmp_path: Path, container: Callable[..., bytes]) -> None:
    state = {"a": Stored("0", b"abcd", (1,)), "b": Stored("1", b"abcdefgh", (2,))}
    whole = container(state)
    assert list(read(tmp_path, whole)) == ["a", "b"]
    for end in range(len(whole)):
        refusal(tmp_path, whole[:end])


class Canary:
    """An object whose unpickling creates a folder."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def hostile(canary: Path) -> dict[str, Raw]:
    """Pickles that run something, with the name of it."""
    command = f"touch {canary}"
    system = a_global("posix", "system")
    getattr_ = a_global("builtins", "getattr")
    return {
        "posix.system": call(system, command),
        "os.system": Raw(b"\x8c\x02os\x8c\x06system\x93" + pickled((command,))[2:-1] + b"R"),
        "nt.system": Raw(b"(" + pickled(command)[2:-1] + b"int\nsystem\n"),
        "builtins.eval": call(a_global("builtins", "eval"), f"open({str(canary)!r}, 'w')"),
        "__builtin__.exec": call(a_global("__builtin__", "exec"), f"open({str(canary)!r}, 'w')"),
        "builtins.getattr": call(call(getattr_, a_global("builtins", "__import__"), "__call__"), "os"),
        "subprocess.Popen": Raw(a_global("subprocess", "Popen").operations + b")\x81"),
        "torch.load": call(a_global("torch", "load"), str(canary)),
        "torch.hub.load": call(a_global("torch.hub", "load"), str(canary)),
        "collections.OrderedDict.__init__": a_global("collections", "OrderedDict.__init__"),
        "collections.defaultdict": call(a_global("collections", "defaultdict"), system),
        "functools.partial": call(a_global("functools", "partial"), system, command),
        "copyreg._reconstructor": call(a_global("copyreg", "_reconstructor"), a_global("x", "y"), None, None),
        "posix.mkdir": Raw(pickle.dumps(Canary(canary), 2)[2:-1]),
    }


@both
def test_nothing_of_a_file_is_run(tmp_path: Path, container: Callable[..., bytes]) -> None:
    canary = tmp_path / "canary"
    for name, payload in hostile(canary).items():
        for place in (payload, {"a": stored("0", NUMBERS), "b": payload}, {"state_dict": {"a": payload}}):
            assert name in refusal(tmp_path, container(place))
    other = {
        "the operation EXT1": Raw(b"\x82\x01"),
        "the operation OBJ": Raw(b"(" + b"}o"),
        "the operation NEWOBJ_EX": Raw(b"}}}\x92"),
        "the operation NEWOBJ": Raw(a_global("collections", "OrderedDict").operations + b")\x81"),
        "gives attributes to something else": Raw(a_global("torch", "Size").operations + b"}b"),
        "calls something else": call(Raw(b"}")),
        "calls a function with 4 arguments": call(a_global("collections", "OrderedDict"), 1, 2, 3, 4),
        "refers to something else": Raw(b"(X\x06\x00\x00\x00moduleNNNtQ"),
    }
    for reason, payload in other.items():
        assert reason in refusal(tmp_path, container({"a": payload}))
    assert not canary.exists()
    pickle.loads(pickle.dumps(Canary(canary)))
    assert canary.exists()  # Python's own unpickler runs it


@both
def test_a_whole_module_is_refused_with_what_to_do(tmp_path: Path, container: Callable[..., bytes]) -> None:
    module = Raw(b"cmodels.networks\nResnetGenerator\nq\x00)\x81q\x01}X\x08\x00\x00\x00trainingq\x02\x88sb")
    old = Raw(b"(X\x06\x00\x00\x00modulecmodels.networks\nResnetGenerator\nX\x01\x00\x00\x00aX\x01\x00\x00\x00btQ")
    for value in (module, {"model": module}, old):
        said = refusal(tmp_path, container(value))
        assert "a whole Python object (models.networks.ResnetGenerator)" in said and "model.state_dict()" in said


def test_names_in_messages_are_short_and_on_one_line(tmp_path: Path) -> None:
    refusal(tmp_path, zip_file({"a" * 100_000 + "\n": 3}))
    refusal(tmp_path, zip_file({"a": Raw(b"\x8c\x03a\nbX\x88\x13\x00\x00" + b"x\n" * 2500 + b"\x93")}))


@both
def test_reading_takes_the_memory_of_the_file(tmp_path: Path, container: Callable[..., bytes]) -> None:
    arrays = {str(index): np.full(1 << 18, index, "f4") for index in range(8)}
    path = tmp_path / "weights.pth"
    path.write_bytes(container({name: stored(name, array) for name, array in arrays.items()}))
    tracemalloc.start()
    found = torch_file.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all((found[name] == array).all() for name, array in arrays.items())
    # zipfile holds an entry twice for a moment; of a stream, the first 4 MiB are read ahead.
    assert peak < path.stat().st_size + (5 << 20), peak


def test_other_parts_of_a_checkpoint_are_not_read(tmp_path: Path) -> None:
    """Only the storages of the state dict count: the others may be missing, or of any size."""
    state = OrderedDict(state_dict={"a": stored("0", NUMBERS)}, optimizer={"m": stored("1", np.zeros(10, "f4"))})
    content = zip_of_pickle(pickled(dict(state)), {"0": NUMBERS.tobytes()})
    assert list(read(tmp_path, content)) == ["a"]
