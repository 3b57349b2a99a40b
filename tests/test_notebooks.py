"""The notebooks run in a fresh kernel: first the one that trains, then the other on the trained run."""

import os
import re
import shlex
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import cyclegan_jax
from cyclegan_jax.cli.train import parse
from cyclegan_jax.config import DataConfig

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def execute(name: str, folder: Path) -> str:
    """Run a notebook in `folder`, check that it shows a picture, and return everything it printed."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    return "".join(output.get("text", "") for output in outputs)


def test_both_notebooks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CYCLEGAN_FOLDER": str(tmp_path / "two"),
        "CYCLEGAN_STEPS": "4",
        "CYCLEGAN_WIDTH": "4",
        "CYCLEGAN_RUN": str(tmp_path / "two" / "run"),
        "TFDS_DATA_DIR": str(tmp_path / "tfds"),
        # Draws pictures into the notebook; no display is needed.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }.items():
        monkeypatch.setenv(name, value)
    assert "step 4/4" in execute("train_your_own.ipynb", tmp_path), "the log of the training is not shown"
    printed = execute("translate.ipynb", tmp_path)
    assert printed.count("mean |F(G(x)) - x|: ") == 3
    assert "which is rounding to whole numbers" in printed


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_notebooks_show_what_their_cells_gave(name: str) -> None:
    """A reader on the web sees the outputs; those of an old version of the cells would mislead."""
    path = NOTEBOOKS / name
    assert path.stat().st_size < 1_000_000
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run the whole notebook again"
    outputs = [output for cell in cells for output in cell.outputs]
    assert all(output.output_type != "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    texts = "".join(output.get("text", "") for output in outputs)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)\b", texts), "a path of the machine"


def test_the_command_in_the_notebook_is_the_notebooks_experiment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = nbformat.read(NOTEBOOKS / "train_your_own.ipynb", as_version=4).cells
    (text,) = (cell.source for cell in cells if cell.cell_type == "markdown" and "cyclegan-jax train" in cell.source)
    command = re.search(r"```sh\ncyclegan-jax train (.*?)```", text, re.DOTALL)
    assert command is not None
    parsed = parse(shlex.split(command[1].replace("\\\n", " ")), "train")
    (cell,) = (cell.source for cell in cells if cell.cell_type == "code" and "cyclegan_jax.train(" in cell.source)
    trained = []
    monkeypatch.setattr(cyclegan_jax, "train", lambda config, run: trained.append((config, run)), raising=False)
    monkeypatch.setattr(cyclegan_jax, "show_log", lambda: None, raising=False)
    exec(cell, {"FOLDER": Path("two_folders"), "STEPS": 2000, "DataConfig": DataConfig, "os": os})
    assert trained == [(parsed.config, parsed.workdir)]
