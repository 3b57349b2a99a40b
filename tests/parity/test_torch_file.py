"""Files of weights that PyTorch wrote, read without it and by `torch.load`: the same bits."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import torch_file
from tests.helpers import torch_files

FORMATS: dict[str, dict[str, Any]] = {"zip": {}, "stream": {"_use_new_zipfile_serialization": False}}
every_format = pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)


class OfficialGenerator(nn.Module):
    """The generator of the official code, by the names and shapes of its tensors."""

    def __init__(self, width: int, blocks: int, track: bool = True):
        super().__init__()

        def norm(channels: int) -> nn.Module:
            return nn.InstanceNorm2d(channels, affine=False, track_running_stats=track)

        parts: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), norm(width), nn.ReLU()]
        for channels in (width, 2 * width):
            parts += [nn.Conv2d(channels, 2 * channels, 3, 2, 1), norm(2 * channels), nn.ReLU()]
        for _ in range(blocks):
            block = nn.Module()
            layers = [nn.ReflectionPad2d(1), nn.Conv2d(4 * width, 4 * width, 3), norm(4 * width)]
            block.conv_block = nn.Sequential(
                *layers, nn.ReLU(), nn.ReflectionPad2d(1), nn.Conv2d(4 * width, 4 * width, 3)
            )
            parts.append(block)
        for channels in (4 * width, 2 * width):
            parts += [nn.ConvTranspose2d(channels, channels // 2, 3, 2, 1, 1), norm(channels // 2), nn.ReLU()]
        self.model = nn.Sequential(*parts, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def assert_same(path: Path, key: str | None = None, prefix: str = "") -> dict[str, np.ndarray]:
    """Compare with `torch.load`, whose state dict may be below `key` and have a prefix."""
    ours, theirs = torch_file.read(path), torch.load(path, weights_only=True, map_location="cpu")
    theirs = theirs[key] if key else theirs
    assert [f"{prefix}{name}" for name in ours] == list(theirs)
    for name, tensor in theirs.items():
        expected = tensor.detach()
        expected = (expected.float() if expected.dtype in (torch.half, torch.bfloat16) else expected).numpy()
        array = ours[name.removeprefix(prefix)]
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape), name
        assert array.tobytes() == expected.tobytes(), name
    return ours


@pytest.fixture
def state() -> OrderedDict:
    draw = torch.Generator().manual_seed(0)
    whole = torch.randn(6, 8, generator=draw)
    finite = torch.arange(1 << 16).to(torch.int32).to(torch.int16)
    return OrderedDict(
        whole=whole,
        transposed=whole.t(),
        sliced=whole[1:5:2, 2:7:3],
        shared=whole.view(-1)[5:],
        expanded=torch.tensor([2.0]).expand(3, 4),
        parameter=nn.Parameter(torch.randn(3, 1, 2, generator=draw)),
        scalar=torch.tensor(3),
        empty=torch.empty(0, 7),
        bfloat16=finite.view(torch.bfloat16),
        half=torch.where(finite.view(torch.half).isnan(), 0, finite.view(torch.half)),
        not_finite=torch.tensor([float("nan"), float("inf"), -0.0]),
        channels_last=torch.randn(2, 3, 4, 5, generator=draw).to(memory_format=torch.channels_last),
        **{
            str(dtype): torch.randint(0, 2, (2, 3), generator=draw).to(dtype)
            for dtype in (torch.float64, torch.int8, torch.uint8, torch.int16, torch.int32, torch.bool, torch.complex64)
        },
    )


@every_format
def test_tensors_of_all_kinds_have_the_same_bits(tmp_path: Path, state: OrderedDict, options: dict[str, Any]) -> None:
    torch.save(state, tmp_path / "a.pth", **options)
    ours = assert_same(tmp_path / "a.pth")
    assert np.shares_memory(ours["whole"], ours["shared"])
    torch.save(
        {"epoch": 3, "state_dict": state, "dtype": torch.float32, "size": torch.Size([1])}, tmp_path / "b", **options
    )
    assert_same(tmp_path / "b", "state_dict")


@every_format
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_all_pickle_protocols_are_read(tmp_path: Path, options: dict[str, Any], protocol: int) -> None:
    """`torch.load(weights_only=True)` itself reads those up to 3."""
    state = OfficialGenerator(width=2, blocks=1).state_dict()
    torch.save({"state_dict": state}, tmp_path / "a.pth", pickle_protocol=protocol, **options)
    found = torch_file.read(tmp_path / "a.pth")
    assert list(found) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy(), strict=True)


@every_format
def test_the_official_generator_has_the_same_bits(tmp_path: Path, options: dict[str, Any]) -> None:
    model = OfficialGenerator(width=4, blocks=6)
    for index, saved in enumerate((model.state_dict(), dict(model.state_dict()))):
        torch.save(saved, tmp_path / f"{index}.pth", **options)
        found = assert_same(tmp_path / f"{index}.pth")
    assert found["model.10.conv_block.1.weight"].shape == (16, 16, 3, 3)
    assert found["model.2.num_batches_tracked"].dtype == np.int64
    torch.save(nn.DataParallel(model).state_dict(), tmp_path / "parallel.pth", **options)
    assert_same(tmp_path / "parallel.pth", prefix="module.")


@every_format
def test_a_checkpoint_with_optimizers_is_read(tmp_path: Path, options: dict[str, Any]) -> None:
    model = OfficialGenerator(width=2, blocks=9)
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    saved = {"state_dict": model.state_dict()} | {f"optimizer_{i}": optimizer.state_dict() for i in range(4)}
    torch.save(saved, tmp_path / "a.ckpt", **options)
    assert_same(tmp_path / "a.ckpt", "state_dict")


@every_format
def test_whole_modules_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    for model in (nn.Sequential(nn.Linear(1, 1)), OfficialGenerator(1, 0)):
        torch.save(model, tmp_path / "a.pth", **options)
        with pytest.raises(
            UserError, match=rf"a whole Python object \({type(model).__module__}\.{type(model).__name__}\)"
        ):
            torch_file.read(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_what_is_not_dense_is_refused(tmp_path: Path) -> None:
    kinds = {
        "_rebuild_sparse_tensor": torch.eye(2).to_sparse(),
        "_rebuild_tensor_v3": torch.ones(2, dtype=torch.uint16),
        "_rebuild_qtensor": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
        "a conjugate": torch.ones(2, dtype=torch.complex64).conj(),
    }
    for reason, tensor in kinds.items():
        torch.save({"a": tensor}, tmp_path / "a.pth")
        with pytest.raises(UserError, match=reason):
            torch_file.read(tmp_path / "a.pth")


def test_torchscript_is_refused(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.trace(nn.Linear(1, 1), torch.ones(1)), tmp_path / "a.pt")
    with pytest.raises(UserError, match="is a TorchScript program"):
        torch_file.read(tmp_path / "a.pt")


def test_safetensors_have_the_same_bits(tmp_path: Path, state: OrderedDict) -> None:
    saved = {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
    safetensors.torch.save_file(saved, tmp_path / "a.safetensors")
    found = torch_file.read(tmp_path / "a.safetensors")
    assert set(found) == set(saved)
    for name, tensor in saved.items():
        expected = tensor.float() if tensor.dtype in (torch.half, torch.bfloat16) else tensor
        assert found[name].tobytes() == expected.numpy().tobytes() and found[name].shape == tensor.shape, name


def test_files_made_by_hand_are_those_of_pytorch(tmp_path: Path) -> None:
    """`torch.load` reads what the tests without PyTorch read."""
    array = np.arange(24, dtype="f4").reshape(4, 6)
    made = {"a": torch_files.stored("0", array), "b": torch_files.Stored("0", array.tobytes(), (6, 4), strides=(1, 6))}
    for content in (torch_files.zip_file(made), torch_files.stream_file(made)):
        (tmp_path / "a.pth").write_bytes(content)
        assert_same(tmp_path / "a.pth")
    swapped = {"a": torch_files.Stored("0", array.byteswap().tobytes(), (4, 6))}
    (tmp_path / "big.pth").write_bytes(torch_files.zip_file(swapped, notes={"byteorder": b"big"}))
    assert_same(tmp_path / "big.pth")
