"""The environment variables that the entry points set, and that importing the package sets none."""

import os
import subprocess
import sys
from pathlib import Path

from cyclegan_jax.devices import backend

ROOT = Path(__file__).parents[2]


def test_xla_flags_are_added_to_those_of_the_user() -> None:
    mine = {"XLA_FLAGS": "--xla_dump_to=somewhere"}
    backend.set_xla_flags(mine, jaxlib_version="0.10.2")
    assert mine["XLA_FLAGS"] == f"--xla_dump_to=somewhere {backend.CPU_FUSION_FLAG}=LIBRARY_FUSION_TYPE_REDUCE"
    before = dict(mine)
    backend.set_xla_flags(mine, jaxlib_version="0.10.2")
    assert mine == before
    set_by_user = {"XLA_FLAGS": f"{backend.CPU_FUSION_FLAG}=LIBRARY_FUSION_TYPE_DOT"}
    backend.set_xla_flags(set_by_user, jaxlib_version="0.10.2")
    assert set_by_user == {"XLA_FLAGS": f"{backend.CPU_FUSION_FLAG}=LIBRARY_FUSION_TYPE_DOT"}
    other: dict[str, str] = {}
    backend.set_xla_flags(other, jaxlib_version="0.11.2")
    assert other == {}


def test_the_folder_of_the_compilation_cache(tmp_path: Path) -> None:
    mine = {"HOME": str(tmp_path)}
    backend.enable_compilation_cache(mine)
    folder = Path(mine["JAX_COMPILATION_CACHE_DIR"])
    assert folder.is_dir()
    assert folder.parent == tmp_path / ".cache" / "cyclegan-jax" / "compiled"
    assert int(mine["JAX_COMPILATION_CACHE_MAX_SIZE"]) == backend.CACHE_BYTES
    elsewhere = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    backend.enable_compilation_cache(elsewhere)
    assert elsewhere["JAX_COMPILATION_CACHE_DIR"].startswith(str(tmp_path / "cache"))
    set_by_user = {"HOME": str(tmp_path), "JAX_COMPILATION_CACHE_DIR": "mine"}
    backend.enable_compilation_cache(set_by_user)
    assert set_by_user == {"HOME": str(tmp_path), "JAX_COMPILATION_CACHE_DIR": "mine"}
    (tmp_path / "file").write_text("")
    nowhere = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    backend.enable_compilation_cache(nowhere)
    assert nowhere == {"XDG_CACHE_HOME": str(tmp_path / "file")}


def test_jaxlib_knows_the_flags_and_importing_sets_none() -> None:
    code = (
        "import os; os.environ.pop('XLA_FLAGS', None); import cyclegan_jax, cyclegan_jax.training; "
        "assert 'XLA_FLAGS' not in os.environ; import cyclegan_jax.devices.backend as b; b.set_xla_flags(); "
        "import jax; print(float(jax.numpy.ones(3).sum()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ), cwd=ROOT
    )
    assert result.stdout.strip() == "3.0", result.stderr
