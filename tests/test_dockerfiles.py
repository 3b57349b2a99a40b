"""The Dockerfiles, without Docker: their steps run in a scratch folder, with a new venv instead of the base image."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CPU = ROOT / "docker" / "cpu.Dockerfile"
CUDA = ROOT / "docker" / "cuda.Dockerfile"

Step = tuple[str, str]
"""An instruction and its argument."""


def steps(dockerfile: Path) -> Iterator[Step]:
    """The instructions of a Dockerfile, with continued lines joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, _, argument = line.partition(" ")
            yield instruction, argument.strip()


@dataclass
class Container:
    """A folder in which the steps run as far as they need no Docker: paths from / are paths from `root`."""

    root: Path
    python: Path
    workdir: Path = field(init=False)
    environment: dict[str, str] = field(init=False)
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workdir = self.root
        # The variables of this project's tests and of an active environment stay outside; pip's settings stay.
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "http"))}
        self.environment = {**kept, "PATH": f"{self.python.parent}:/usr/bin:/bin", "HOME": str(self.root)}

    def inside(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self.workdir / path

    def take(self, step: Step) -> None:
        instruction, argument = step
        if instruction == "WORKDIR":
            self.workdir = self.inside(argument)
            self.workdir.mkdir(parents=True, exist_ok=True)
        elif instruction == "ENV":
            name, _, value = argument.partition("=")
            self.environment[name] = str(self.inside(value)) if value.startswith("/") else value
        elif instruction == "COPY":
            *sources, target = shlex.split(argument)
            for source in sources:
                self._copy(ROOT / source, self.inside(target), into=target.endswith("/"))
        elif instruction == "RUN":
            subprocess.run(["/bin/sh", "-c", argument], cwd=self.workdir, env=self.environment, check=True)
        elif instruction == "ENTRYPOINT":
            self.entrypoint = json.loads(argument)
        elif instruction == "CMD":
            self.cmd = json.loads(argument)
        elif instruction != "FROM":
            raise ValueError(f"the test does not know the instruction {instruction}")

    def _copy(self, source: Path, target: Path, into: bool) -> None:
        if source.is_dir():  # as in Docker, the content of a folder and not the folder
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / source.name if into else target)

    def run(self, *args: str) -> str:
        """Output of `docker run IMAGE args`."""
        program = shutil.which(self.entrypoint[0], path=self.environment["PATH"])
        assert program is not None
        command = [program, *self.entrypoint[1:], *(args or self.cmd)]
        return subprocess.run(
            command, cwd=self.workdir, env=self.environment, check=True, text=True, stdout=subprocess.PIPE
        ).stdout


@pytest.mark.parametrize("dockerfile", [CPU, CUDA], ids=lambda path: path.stem)
def test_the_steps_copy_files_that_exist(dockerfile: Path) -> None:
    found = list(steps(dockerfile))
    assert found[0] == ("FROM", "python:3.13-slim")
    for instruction, argument in found:
        if instruction == "COPY":
            for source in shlex.split(argument)[:-1]:
                assert (ROOT / source).exists(), source


def test_both_images_differ_in_cuda_alone() -> None:
    cpu = [(instruction, argument.replace("install --no-cache-dir .", "")) for instruction, argument in steps(CPU)]
    cuda = [
        (instruction, argument.replace("install --no-cache-dir '.[cuda]'", ""))
        for instruction, argument in steps(CUDA)
        if "NVIDIA" not in argument
    ]
    assert cpu == cuda


@pytest.mark.slow
def test_the_steps_of_the_cpu_image_run(tmp_path: Path) -> None:
    """Downloads all dependencies from a package index."""
    venv.create(tmp_path / "venv", with_pip=True)
    container = Container(tmp_path / "root", tmp_path / "venv" / "bin" / "python")
    container.root.mkdir()
    for step in steps(CPU):
        container.take(step)
    assert container.run().startswith("usage: cyclegan-jax COMMAND")
    assert "streets " in container.run("configs")
    shutil.rmtree(container.root / "src")  # nothing of the source folder is needed any more
    printed = container.run("train", "--config", "streets", "--steps=2", "--log_every=1", "--generator.width=4")
    assert "step 2" in printed
    assert (container.root / "work" / "runs" / "streets").is_dir()
    assert sys.prefix not in str(container.environment)
