"""The programs in docs/exchange.md run, and translate as `load_generator` does."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cyclegan_jax
from cyclegan_jax.exchange import onnx_file, pretrained, stablehlo
from tests.helpers import generators

DOCUMENT = (Path(__file__).parents[1] / "docs" / "exchange.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


def test_the_programs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = generators.pretrained()
    (tmp_path / "model.onnx").write_bytes(onnx_file.encode(model))
    (tmp_path / "model_uint8.onnx").write_bytes(onnx_file.encode(model, uint8=True))
    (tmp_path / "model.stablehlo").write_bytes(stablehlo.encode(model))
    pretrained.save(tmp_path / "model", pretrained.contents(model, "", {}))
    noise = np.random.default_rng(0).integers(0, 256, (18, 27, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    with Image.open("photo.jpg") as photo:
        expected = np.asarray(cyclegan_jax.load_generator("model").translate(photo.resize((24, 16))), int)
    onnx, uint8, program = PROGRAMS
    for source, name in ((onnx, "translated.png"), (onnx + uint8, "translated_uint8.png"), (program, "translated.png")):
        exec(source, {})
        with Image.open(name) as picture:
            found = np.asarray(picture, int)
        Path(name).unlink()
        assert found.shape == expected.shape and np.ptp(found) > 100
        assert np.abs(found - expected).max() <= 1
