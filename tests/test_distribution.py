"""The sdist and the wheel hold what they should, and nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

import cyclegan_jax

ROOT = Path(__file__).parents[1]
NAME = f"cyclegan_jax-{cyclegan_jax.__version__}"


def files_below(folder: Path) -> set[str]:
    """The files of a folder of the repository, as paths from its root, without compiled ones."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def hatchling(folder: Path, target: str, into: Path) -> Path:
    """Build the `target`, sdist or wheel, of the project in `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (built,) = into.glob("*.tar.gz" if target == "sdist" else "*.whl")
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hatchling(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, as installers do that get no wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return hatchling(folder / NAME, "wheel", folder)


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"{NAME}.dist-info/METADATA").decode())


def test_the_sdist_holds_the_repository(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        found = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    folders = ("benchmarks", "configs", "cyclegan_jax", "docker", "docs", "notebooks", "tests")
    assert set().union(*(files_below(ROOT / folder) for folder in folders)) <= found
    assert {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "train.py", "PKG-INFO"} <= found
    assert {"tests/conftest.py", "docs/streets.png", ".ci/run", ".github/workflows/ci.yml"} <= found
    assert {PurePosixPath(name).parts[0] for name in found} - set(folders) == {
        ".ci", ".github", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md",
        "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "train.py",
    }  # fmt: skip


def test_the_wheel_holds_the_package_and_the_configs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())
    package = files_below(ROOT / "cyclegan_jax")
    configs = {f"cyclegan_jax/{name}" for name in files_below(ROOT / "configs")}
    assert {"cyclegan_jax/py.typed", "cyclegan_jax/inference/gallery.html"} <= package
    assert "cyclegan_jax/configs/streets.py" in configs
    info = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert found == package | configs | {f"{NAME}.dist-info/{name}" for name in info}


def test_the_wheel_declares_version_and_license(wheel: Path) -> None:
    fields = metadata(wheel)
    assert fields["Version"] == cyclegan_jax.__version__
    assert (fields["License-Expression"], fields["License-File"]) == ("MIT", "LICENSE")
    assert f"version: {fields['Version']}\n" in (ROOT / "CITATION.cff").read_text()
    assert fields["Summary"] == "CycleGAN in JAX: unpaired image-to-image translation, verified against PyTorch"


def test_the_wheel_alone_finds_its_configs(wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    empty = tmp_path / "empty"
    empty.mkdir()
    # -P keeps the current folder out of the path, and PYTHONPATH comes before an installed cyclegan-jax.
    program = (
        "from pathlib import Path; from cyclegan_jax.cli.config_file import find_config, load_config_file; "
        "print(find_config(Path('streets'))); print(load_config_file(Path('streets')).data.source)"
    )
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(
        command, cwd=empty, env={"PYTHONPATH": str(unpacked)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str(unpacked / "cyclegan_jax" / "configs" / "streets.py"), "streets"]


@pytest.mark.slow
def test_build_and_twine_accept_the_project(tmp_path: Path) -> None:
    """As for a release; needs `pip install -e '.[dev]'` and a package index, from which build installs hatchling."""
    pytest.importorskip("build")
    pytest.importorskip("twine")
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT)], check=True)
    built = sorted(map(str, tmp_path.iterdir()))
    assert [Path(name).name for name in built] == [f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"]
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *built], check=True, capture_output=True, text=True
    )
    assert checked.stdout.count("PASSED") == 2
