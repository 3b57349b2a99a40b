"""What every test may use: 64-bit types, and tiny experiments."""

import dataclasses
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from tests.faults.summary import SUMMARY, Summary
from tests.helpers.logs import logged

# The tests' time is compilation for the most part. LLVM's optimizations, the half of it, change no result; with
# `XLA_FLAGS= pytest` the programs are those of a training run. It has an effect before JAX's first use of a device.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# Many tests train the same tiny experiment: each program is compiled once in a test run, by this process or another.
_COMPILED = tempfile.TemporaryDirectory(prefix="cyclegan-jax-compiled-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _COMPILED.name)
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
for _name, _value in {
    "jax_persistent_cache_min_compile_time_secs": 0.5,
    "jax_persistent_cache_min_entry_size_bytes": 0,
    # With a limit, which no test run reaches, the files are locked while they are written.
    "jax_compilation_cache_max_size": 1 << 32,
}.items():
    os.environ.setdefault(_name.upper(), str(_value))
    jax.config.update(_name, _value)


# Where PyTorch is not installed, `tests/recorded` compares with the numbers that it computed elsewhere.
HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore = (
    []
    if HAS_TORCH
    else ["parity", "benchmarks/test_additions.py", "evaluation/test_fid_kid.py", "evaluation/test_inception.py"]
)


# Each file runs in one of the processes that share the tests. The longest come first: otherwise one process ends with
# minutes of work, while the others have none.
LONGEST = ("devices/test_step_program", "faults", "inference/test_any_size", "parity", "test_notebooks", "training")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    items.sort(key=lambda item: not item.path.relative_to(tests).as_posix().startswith(LONGEST))


def pytest_report_header() -> str:
    return "PyTorch: compared with directly" if HAS_TORCH else "PyTorch is not installed: its recorded numbers are used"


@pytest.fixture
def x64() -> Iterator[None]:
    """Float64 arrays, for comparisons that float32's rounding would blur."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """The lines that the package logs during the test."""
    with logged() as lines:
        yield lines


def tiny_config(**changes: Any) -> TrainConfig:
    """An experiment whose step takes milliseconds."""
    config = TrainConfig(
        data=DataConfig(image_size=24, load_size=26),
        generator=GeneratorConfig(blocks=1, width=4),
        discriminator=DiscriminatorConfig(width=4),
        pool_size=3,
    )
    return dataclasses.replace(config, **changes)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = dataclasses.asdict(SUMMARY)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """One of the processes that share the tests has ended: its counts are added to those of the one that tells."""
    SUMMARY.add(Summary(**getattr(node, "workeroutput", {}).get("faults", {})))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = SUMMARY.lines()
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.line(line)
