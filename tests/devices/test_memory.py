"""The memory of a training step: logged before it runs, and an error if the machine has less."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.devices import cgroups, memory
from cyclegan_jax.devices.collectives import Collectives
from cyclegan_jax.devices.mesh import make_mesh, replicated
from cyclegan_jax.devices.step_program import StepProgram
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from tests.conftest import tiny_config


def machine_bytes() -> int:
    available = memory.device_bytes(jax.local_devices()[0])
    assert available is not None
    return available


def test_a_step_that_needs_more_memory_than_there_is(log_lines: list[str]) -> None:
    available = machine_bytes()
    memory.check(available // 4, tiny_config())
    assert log_lines == [
        f"a training step needs {available // 4 / 2**30:.1f} GiB of memory; this machine has "
        f"{available / 2**30:.1f} GiB"
    ]
    with pytest.raises(
        UserError, match=r"needs .* GiB of memory, but this machine has .* GiB: train with --remat=True, or"
    ):
        memory.check(available + 1, tiny_config())
    with pytest.raises(UserError, match=r"GiB: lower --batch_size, --data.image_size or --generator.width"):
        memory.check(available + 1, tiny_config(remat=True))
    memory.check(None, tiny_config())
    assert len(log_lines) == 1


def test_the_memory_of_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    whole = machine_bytes()
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    assert machine_bytes() == whole
    (group / "memory.max").write_text("1073741824\n")
    assert machine_bytes() == 2**30


@pytest.mark.parametrize(
    ("lines", "files", "limit"),
    [
        ("", {"memory/memory.limit_in_bytes": 7 << 30}, 7 << 30),
        ("0::/a/b\n", {"memory.max": "max", "a/memory.max": 5 << 30, "a/b/memory.max": "max"}, 5 << 30),
        ("0::/a/b\n", {"a/memory.max": 5 << 30, "a/b/memory.max": 3 << 30}, 3 << 30),
        ("4:memory:/a/b\n0::/\n", {"memory/a/memory.limit_in_bytes": 2 << 30, "a/memory.max": 1}, 2 << 30),
        ("4:cpu,memory:/a\n", {"memory/a/memory.limit_in_bytes": 2 << 30}, 2 << 30),
        ("0::/../../b\n", {"b/memory.max": 6 << 30}, 6 << 30),
        ("3:cpu:/a\n0::/c\n", {"a/memory.max": 1, "unified/c/memory.max": 4 << 30}, 4 << 30),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": 9223372036854771712}, 9223372036854771712),
        ("nonsense\n", {}, None),
    ],
)
def test_the_limits_of_nested_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: str, files: dict[str, object], limit: int | None
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    for name, content in {"proc/self/cgroup": lines, **{f"sys/fs/cgroup/{n}": v for n, v in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{content}")
    assert cgroups.memory_limit() == limit


def test_the_memory_of_a_program() -> None:
    compiled = jax.jit(lambda x: (x @ x).sum()).lower(jnp.ones((512, 512), jnp.float32)).compile()
    needed = memory.step_bytes(compiled)
    assert needed is not None
    assert 2**20 <= needed <= 3 * 2**20  # the argument, and the product


@pytest.mark.parametrize("parallel", ["jit", pytest.param("pmap", marks=pytest.mark.slow)])
def test_a_step_is_traced_and_compiled_once(parallel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(parallel=parallel)
    transform = optimizer.adam(config.optimizer)
    mesh = make_mesh(jax.devices()[:1])
    traces: list[str] = []

    def make_step(collectives: Collectives) -> Any:
        step = make_train_step(config, cyclegan.define(config), transform, epoch_images=4, collectives=collectives)

        def traced(train_state: Any, batch: Any) -> Any:
            traces.append(parallel)
            return step(train_state, batch)

        return traced

    current = jax.jit(lambda: state.create(config, transform), out_shardings=replicated(mesh))()
    batch = {domain: np.zeros((1, 24, 24, 3), np.uint8) for domain in "AB"}
    compiled_names = _compilations(monkeypatch)
    step = StepProgram(make_step, config, mesh).compile(current, batch)
    needed = memory.step_bytes(step.executable)
    assert needed is not None and needed > 100_000
    for _ in range(3):
        current, _ = step(current, batch)
    assert traces == [parallel]
    steps = [name for name in compiled_names if name == '"jit_traced"']
    assert len(steps) == 1, compiled_names
    assert int(current.step) == 3


def _compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that receives the names of the programs that are compiled from now on."""
    from jax._src import compiler

    names: list[str] = []
    original = compiler.compile_or_get_cached

    def watched(backend: Any, computation: Any, *args: Any, **kwargs: Any) -> Any:
        names.append(str(computation.operation.attributes["sym_name"]))
        return original(backend, computation, *args, **kwargs)

    monkeypatch.setattr(compiler, "compile_or_get_cached", watched)
    return names
