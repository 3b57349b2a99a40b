"""The notebooks run in a fresh kernel: first the one that trains, then the other on the trained run."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

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
def test_notebooks_are_committed_without_outputs(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
