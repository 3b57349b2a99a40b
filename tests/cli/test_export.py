"""`cyclegan-jax export` to formats that other programs run."""

import re
import sys
from pathlib import Path

import jax
import numpy as np
import onnx
import pytest

from cyclegan_jax.cli import main as cli
from cyclegan_jax.exchange import agreement, onnx_file, onnx_graph, pretrained
from tests.helpers import generators
from tests.helpers.generators import images


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "model"
    pretrained.save(folder, pretrained.contents(generators.pretrained(), "", {}))
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "_TIMED_SIDE", 16)


def export(model: Path, output: Path, *flags: str) -> int:
    return cli.main(["export", "--run", str(model), "--output", str(output), *flags])


@pytest.mark.parametrize(
    ("name", "runtime"), [("new/a.onnx", "ONNX Runtime on cpu"), ("a.stablehlo", "StableHLO on cpu")]
)
def test_it_prints_size_difference_and_latency(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, runtime: str
) -> None:
    assert export(model, tmp_path / name) == 0
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(re.escape(f"{tmp_path / name}: AtoB of step 7, ") + r"0\.[01] MB", printed[0])
    assert re.fullmatch(r"largest difference from the generator: \d\.\de[+-]\d\d, outputs are in \[-1, 1\]", printed[1])
    timed = rf"one image of 16x16: {runtime} [\d,]+ ms, cyclegan-jax on cpu [\d,]+ ms"
    assert re.fullmatch(timed, printed[2])


def test_uint8_is_for_onnx(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(model, tmp_path / "a.onnx", "--uint8") == 0
    assert re.search(r"^largest difference from the generator: [01] of 255 levels$", capsys.readouterr().out, re.M)
    assert export(model, tmp_path / "a.stablehlo", "--uint8") == 2
    assert "--uint8 is for ONNX files, but the format is stablehlo: leave out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "format", "need"),
    [
        ("model", "onnx", "a name that ends in .onnx"),
        ("model.onnx", "stablehlo", "a name that ends in .stablehlo"),
        ("model.pt", "safetensors", "a name that ends in .safetensors"),
        ("model.onnx", "folder", "a name without that ending"),
    ],
)
def test_a_name_of_another_format_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, format: str, need: str
) -> None:
    assert export(model, tmp_path / name, f"--format={format}") == 2
    assert f"{name}, but --format is {format}: give --output {need}, or leave out --format" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("package", "name", "extra"),
    [("onnx", "a.onnx", "onnx"), ("onnxruntime", "a.onnx", "onnx"), ("flatbuffers", "a.stablehlo", "stablehlo")],
)
def test_a_missing_package_is_named(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    name: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert export(model, tmp_path / name) == 2
    assert f"needs {package}, which is not installed: pip install 'cyclegan-jax[{extra}]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.onnx", "a.stablehlo", "a.safetensors", "a"])
def test_weights_that_are_nan_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    broken = generators.pretrained()
    jax.tree.leaves(broken.params)[0][...] = np.nan
    pretrained.save(tmp_path / "model", pretrained.contents(broken, "", {}))
    assert export(tmp_path / "model", tmp_path / name) == 2
    assert "the generator of step 7 holds NaN or infinite weights (blocks.0." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_nothing_is_written_of_a_program_that_differs(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.onnx").write_bytes(b"the one before")
    monkeypatch.setattr(onnx_graph, "EPS", 0.01)
    assert export(model, tmp_path / "a.onnx") == 2
    assert "a.onnx exists already: choose another --output, or replace it with --overwrite" in capsys.readouterr().err
    assert export(model, tmp_path / "a.onnx", "--overwrite") == 2
    assert "the exported model differs from the generator by up to" in capsys.readouterr().err
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the one before"]


def test_overwrite_replaces_a_file(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.onnx").write_bytes(b"the one before")
    assert export(model, tmp_path / "a.onnx", "--overwrite") == 0
    onnx.checker.check_model(onnx.load(tmp_path / "a.onnx"), full_check=True)
    (tmp_path / "b.onnx").mkdir()
    assert export(model, tmp_path / "b.onnx", "--overwrite") == 2
    assert f"{tmp_path / 'b.onnx'} cannot be written (Is a directory): give another --output" in capsys.readouterr().err
    assert onnx_file.load((tmp_path / "a.onnx").read_bytes())(images((1, 8, 8, 3))).shape == (1, 8, 8, 1)
