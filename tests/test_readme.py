"""The documents agree with the code: commands, links, named files, and the map of the package."""

import re
from pathlib import Path

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.config_dict import fields
from tests.helpers.scripts import load_script

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"))


def headings(document: Path) -> set[str]:
    """The anchors of a Markdown file's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_ci_runs_the_readmes_test_line():
    (line,) = (line for line in README.splitlines() if line.endswith("-m pytest"))
    assert line in (ROOT / ".ci" / "run").read_text().splitlines()
    assert f"run: {line}" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 110


def test_every_linked_or_named_file_exists():
    for document in DOCUMENTS:
        text = document.read_text()
        links = re.findall(r"\]\(((?!http)[^)]+)\)", text)
        named = re.findall(r"`((?:configs|benchmarks|docs|tests|notebooks|cyclegan_jax)/[\w./]+)`", text)
        for name in [link.partition("#")[0] for link in links] + named:
            assert (document.parent / name).exists() or (ROOT / name).exists(), (document.name, name)
        for link in links:
            name, _, anchor = link.partition("#")
            if anchor:
                assert anchor in headings(document.parent / name), (document.name, link)


def test_every_flag_in_the_documents_exists():
    known = set(fields(TrainConfig()))
    parts = {name.partition(".")[0] for name in known if "." in name}
    for document in DOCUMENTS:
        for flag in re.findall(r"--([a-z_]+(?:\.\w+)+)", document.read_text()):
            assert flag.partition(".")[0] not in parts or flag in known, (document.name, flag)


def test_every_document_is_reachable_from_the_readme():
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in README, page


def test_the_map_of_the_code_is_up_to_date():
    maps = load_script(ROOT / "docs" / "build_map.py")
    page = maps.PAGE.read_text()
    assert page == maps.replace_map(page), "run python docs/build_map.py"


def test_the_map_of_the_code_names_every_module():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for path in (ROOT / "cyclegan_jax").rglob("*.py"):
        if path.name != "__init__.py":
            assert re.search(rf"^\| `([\w/]+/)?{path.name}` \| \S", text, re.MULTILINE), path
