"""Damaged files in the cache of compiled programs, found by real starts of a process."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from cyclegan_jax.devices import damaged_programs
with damaged_programs.replaced():
    import jax
    import jax.numpy as jnp
    x = jax.numpy.arange(9.0).reshape(3, 3)
    print(float(jax.jit(lambda x: jnp.sin(x) @ x)(x).sum()), float(jax.jit(lambda x: jnp.{name}(x) @ x)(x).sum()))
"""


def start(cache: Path, name: str = "cos") -> tuple[str, str]:
    """Run two programs in a new process; returns their results and standard error."""
    environ = {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-c", PROGRAM.format(name=name)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, ended.stderr


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_damaged_programs_are_replaced_with_one_line(tmp_path: Path, damage: str) -> None:
    expected, said = start(tmp_path)
    assert said == ""
    whole = {}
    for file in tmp_path.glob("*-cache"):
        content = whole[file] = file.read_bytes()
        half = len(content) // 2
        flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        file.write_bytes({"flipped": flipped, "cut": content[:half], "empty": b""}[damage])
    assert len(whole) > 2
    found, said = start(tmp_path)
    assert found == expected
    assert said == f"damaged programs in {tmp_path} are compiled again and replaced\n"
    assert {file.stat().st_size > 100 for file in whole} == {True}
    assert start(tmp_path) == (expected, "")


def test_a_program_without_its_time_is_deleted_at_the_start(tmp_path: Path) -> None:
    """A process was killed between the two files: JAX could evict nothing, and so keep no new program."""
    start(tmp_path)
    for file in tmp_path.glob("*-atime"):
        file.unlink()
    for file in tmp_path.glob("*-cache"):
        os.utime(file, (time.time() - 3600,) * 2)
    before = set(tmp_path.glob("*-cache"))
    _, said = start(tmp_path, "tan")
    assert said == ""
    assert len(set(tmp_path.glob("*-cache")) - before) == 1
    assert len(list(tmp_path.glob("*-cache"))) == len(list(tmp_path.glob("*-atime")))


def test_other_warnings_are_shown(tmp_path: Path) -> None:
    code = "import warnings; from cyclegan_jax.devices import damaged_programs\n"
    code += "with damaged_programs.replaced(): warnings.warn('mind the step')"
    environ = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, cwd=ROOT)
    assert "mind the step" in ended.stderr
