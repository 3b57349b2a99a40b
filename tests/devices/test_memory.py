"""What a step takes is said before it runs, and refused where the machine has less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.devices import memory, sharding
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from tests.conftest import tiny_config


def test_a_step_that_needs_more_than_there_is(monkeypatch, log_lines):
    there = memory.device_bytes(jax.local_devices()[0])
    memory.check(there // 4, tiny_config())
    assert log_lines == [
        f"a step takes {there // 4 / 2**30:.1f} GiB of the {there / 2**30:.1f} GiB of memory that this machine has"
    ]
    with pytest.raises(
        UserError, match=r"needs .* GiB of memory, but this machine has .* GiB: train with --remat=True, or"
    ):
        memory.check(there + 1, tiny_config())
    with pytest.raises(UserError, match=r"GiB: lower --batch_size, --data.image_size or --generator.width"):
        memory.check(there + 1, tiny_config(remat=True))
    memory.check(None, tiny_config())
    assert len(log_lines) == 1


def test_the_memory_of_a_container(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CGROUP_LIMIT", tmp_path / "memory.max")
    whole = memory.device_bytes(jax.local_devices()[0])
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.device_bytes(jax.local_devices()[0]) == whole
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert memory.device_bytes(jax.local_devices()[0]) == 2**30


def test_what_a_program_takes():
    compiled = jax.jit(lambda x: (x @ x).sum()).lower(jnp.ones((512, 512), jnp.float32)).compile()
    taken = memory.step_bytes(compiled)
    assert 2**20 <= taken <= 3 * 2**20  # the argument, and the product between


@pytest.mark.parametrize("parallel", ["jit", "pmap"])
def test_a_step_is_looked_at_once_before_it_runs_and_compiled_once(parallel, monkeypatch):
    config = tiny_config(parallel=parallel)
    transform = optimizer.adam(config.optimizer)
    mesh = sharding.make_mesh(jax.devices()[:1])
    traces, seen = [], []

    def make_step(spread):
        step = make_train_step(config, cyclegan.define(config), transform, epoch_images=4, spread=spread)

        def traced(train_state, batch):
            traces.append(len(seen))
            return step(train_state, batch)

        return traced

    compiled_before = _compilations(monkeypatch)
    step = sharding.compile_step(
        make_step, config, mesh, look=lambda compiled: seen.append(memory.step_bytes(compiled))
    )
    current = jax.jit(lambda: state.create(config, transform), out_shardings=sharding.replicated(mesh))()
    batch = {domain: np.zeros((1, 24, 24, 3), np.uint8) for domain in "AB"}
    compiled_before.clear()
    for _ in range(3):
        current, _ = step(current, batch)
    assert len(seen) == 1
    assert seen[0] > 100_000
    assert traces == [0]
    steps = [name for name in compiled_before if name in ('"jit_traced"', '"jit__fun"')]  # jit's, pmap's
    assert len(steps) == 1, compiled_before
    assert int(current.step) == 3


def _compilations(monkeypatch) -> list[str]:
    """The names of the programs that are compiled from now on."""
    from jax._src import compiler

    names: list[str] = []
    original = compiler.compile_or_get_cached

    def watched(backend, computation, *args, **kwargs):
        names.append(str(computation.operation.attributes["sym_name"]))
        return original(backend, computation, *args, **kwargs)

    monkeypatch.setattr(compiler, "compile_or_get_cached", watched)
    return names
