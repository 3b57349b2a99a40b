"""The README's commands are those that are checked, and what it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_readmes_test_line():
    (line,) = (line for line in README.splitlines() if line.endswith("-m pytest"))
    assert line in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_file_that_the_documents_link_or_name_exists():
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = document.read_text()
        named = re.findall(r"\]\(((?!http)[^)#]+)\)", text) + re.findall(
            r"`((?:configs|benchmarks|docs)/[\w./]+)`", text
        )
        for name in named:
            assert (document.parent / name).exists() or (ROOT / name).exists(), (document.name, name)


def test_the_map_of_the_code_names_every_module():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for path in (ROOT / "cyclegan_jax").rglob("*.py"):
        if path.name != "__init__.py" and not path.name.startswith("streets_"):
            assert path.name in text, path
