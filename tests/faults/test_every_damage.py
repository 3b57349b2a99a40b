"""Damages of every kind: each command uses the bytes that were saved, or refuses with one sentence."""

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.checkpoints import layout
from cyclegan_jax.checkpoints.opened import open_checkpoint
from cyclegan_jax.cli import main as cli
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference.discriminator import load_discriminator
from cyclegan_jax.inference.generator import load_generator
from tests.faults import damages
from tests.faults.saved_runs import at_step, equal, restored
from tests.faults.summary import SUMMARY

# When one array cannot be read, Orbax closes its event loop, and TensorStore's other threads then fail to report to it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def damaged(run: Path, seed: int) -> str:
    SUMMARY.damaged += 1
    return damages.damage(run / "checkpoints" / "8", run / "checkpoints" / "4", seed)


def same(one: Any, other: Any) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(left, right) for left, right in pairs)


def check_python(run: Path, what: str) -> None:
    """Each loader returns what was saved, or raises; the count is of those that read all arrays."""
    saved = at_step(8)
    assert saved.ema is not None
    with contextlib.suppress(UserError):
        generator = load_generator(run, "BtoA")
        assert generator.step == 8, what
        assert same(generator.params, saved.ema["BtoA"]), what
    with contextlib.suppress(UserError):
        assert same(load_discriminator(run, "A", 8).params, saved.discriminators["A"]), what
    try:
        state = open_checkpoint(run).state()
    except UserError:
        SUMMARY.detected += 1
    else:
        assert same(state, layout.as_dict(saved)), what
        # Something that loading does not use: the name of a handler, a time, padding.
        SUMMARY.harmless += 1


def check_resume(run: Path, what: str) -> None:
    """The run resumes from step 8 as it was saved, or from step 4 with a warning."""
    found, warnings = restored(run)
    if warnings:
        assert equal(found, 4), what
        assert "damaged" in warnings[0], what
        assert "resuming from step 4 instead" in warnings[0], what
    else:
        assert equal(found, 8), what


def command(*args: str) -> tuple[int, str]:
    """Call `cyclegan-jax`; return its status and output. Errors are one line on standard error."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = cli.main(args)
    lines = errors.getvalue().splitlines()
    if status == 2:
        assert [line[:7] for line in lines] == ["error: "], lines
    return status, output.getvalue()


def translated(run: Path) -> bytes | None:
    """The translation of an image by the newest checkpoint; None where it is refused."""
    image, output = run.parent / "image.png", run.parent / "translated"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(image)
    shutil.rmtree(output, ignore_errors=True)
    status, _ = command("translate", "--run", str(run), "--input", str(image), "--output", str(output))
    assert status in (0, 2)
    return None if status else (output / "image.png").read_bytes()


def evaluated(run: Path) -> Any:
    """The scores of the newest checkpoint; None where the evaluation is refused."""
    data = run.parent / "data"
    for split in ("trainA", "trainB", "testA", "testB"):
        (data / split).mkdir(parents=True, exist_ok=True)
        for index in range(2):
            pixels = np.random.default_rng(index).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(data / split / f"{index}.png")
    (run / "scores.json").unlink(missing_ok=True)
    status, _ = command("evaluate", "--run", str(run), "--data_dir", str(data), "--features", "none")
    assert status in (0, 2)
    return None if status else json.loads((run / "scores.json").read_text())


def check_list(run: Path, what: str) -> None:
    """`checkpoints` calls step 8 whole only where all its arrays are those that were saved."""
    status, output = command("checkpoints", "--run", str(run))
    (row,) = (line for line in output.splitlines() if line.split()[0] == "8")
    assert row.endswith(" ok") == (status == 0), what
    assert status == 0 or (status == 1 and "damaged: " in row), what
    if status == 0:
        assert same(open_checkpoint(run, 8).state(), layout.as_dict(at_step(8))), what


@pytest.mark.parametrize("seed", range(66, 66 + len(damages.KINDS)))
def test_no_kind_of_damage_is_loaded(run, seed):
    what = damaged(run, seed)
    check_python(run, what)
    check_resume(run, what)


@pytest.fixture(scope="module")
def right(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Any]:
    """The translation and the scores of the whole checkpoint of step 8."""
    run = Path(shutil.copytree(whole, tmp_path_factory.mktemp("right") / "run"))
    image, scores = translated(run), evaluated(run)
    assert image is not None
    shutil.rmtree(run / "checkpoints" / "8")
    # The control: those of step 4 differ.
    assert image != translated(run)
    assert {name: list(entry["values"].values()) for name, entry in scores.items()} != {
        name: list(entry["values"].values()) for name, entry in evaluated(run).items()
    }
    return image, scores


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_400_damages_to_every_command(run, right, monkeypatch, seed):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    what = damaged(run, seed)
    check_python(run, what)
    assert translated(run) in (None, right[0]), what
    assert evaluated(run) in (None, right[1]), what
    check_list(run, what)
    check_resume(run, what)
