"""Runs over several processes: their flags, and what the functions do in a single process."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from cyclegan_jax.cli.train import parse
from cyclegan_jax.devices import distributed
from cyclegan_jax.devices.distributed import Processes
from cyclegan_jax.errors import UserError

STREETS = "configs/streets.py"
CLUSTERS = ("SLURM_", "OMPI_", "TPU_", "CLOUD_TPU", "KUBERNETES_", "JAX_COORDINATOR", "MEGASCALE")


@pytest.mark.parametrize(
    ("flags", "processes"),
    [
        ([], None),
        (["--distributed"], Processes()),
        (
            ["--coordinator=node1:1234", "--num_processes=2", "--process_id=1"],
            Processes(coordinator="node1:1234", number=2, index=1),
        ),
    ],
)
def test_flags(flags: list[str], processes: Processes | None) -> None:
    command = parse(["--config", STREETS, *flags, "--steps=3"])
    assert command.processes == processes
    assert command.config.steps == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--num_processes=2"], r"--coordinator and --process_id missing: give .* or only --distributed"),
        (["--coordinator=node1", "--num_processes=2", "--process_id=0"], r"'node1', but it must be HOST:PORT"),
        (["--coordinator=a:1", "--num_processes=2", "--process_id=2"], r"--process_id is 2, .* it must be from 0 to 1"),
    ],
)
def test_flags_that_contradict_each_other(flags: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(["--config", STREETS, *flags])


def test_an_environment_without_a_cluster() -> None:
    command = [sys.executable, "train.py", "--config", STREETS, "--distributed"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(CLUSTERS)}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: the environment does not describe the other processes (")
    assert ended.stderr.endswith("give --coordinator=HOST:PORT, --num_processes and --process_id\n")


def test_one_process_needs_no_communication() -> None:
    tree = {"a": np.arange(3)}
    assert distributed.is_first()
    assert distributed.own_copy(tree) is tree
    assert distributed.from_first([4, 8]) == [4, 8]
    assert [distributed.DelayedMax().update(number) for number in (0, 15)] == [0, 15]


def test_a_coordinator_without_an_address_ends_soon() -> None:
    host = "--coordinator=no-such-host.invalid:1234"
    args = ["--config", STREETS, host, "--num_processes=2", "--process_id=1"]
    program = f"""
import sys
from cyclegan_jax.devices import distributed
distributed.RESOLVE_SECONDS = 2
from cyclegan_jax.cli import main
sys.exit(main.train({args!r}))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert ended.returncode == 2, ended.stderr
    sentence = (
        r"error: --coordinator is 'no-such-host\.invalid:1234', but no-such-host\.invalid has no address \(.+\): "
        r"give the HOST:PORT of process 0\n"
    )
    assert re.fullmatch(sentence, ended.stderr), ended.stderr


@pytest.mark.parametrize("coordinator", ["127.0.0.1:1", "[::1]:1", "localhost:1"])
def test_addresses_that_are_found(coordinator: str) -> None:
    distributed._check_address(coordinator)
