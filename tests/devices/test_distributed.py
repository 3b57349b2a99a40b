"""Several processes: the flags that name them, and what a supervised process leaves behind."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from cyclegan_jax.cli.train_command import parse_train
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
def test_flags(flags, processes):
    command = parse_train(["--config", STREETS, *flags, "--steps=3"])
    assert command.processes == processes
    assert command.config.steps == 3


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--num_processes=2"], r"--coordinator, --process_id is missing: give .* or --distributed alone"),
        (["--coordinator=node1", "--num_processes=2", "--process_id=0"], r"'node1', but it must be HOST:PORT"),
        (["--coordinator=a:1", "--num_processes=2", "--process_id=2"], r"--process_id is 2, .* it must be from 0 to 1"),
    ],
)
def test_flags_that_do_not_fit_are_named(flags, sentence):
    with pytest.raises(UserError, match=sentence):
        parse_train(["--config", STREETS, *flags])


def test_an_environment_that_tells_nothing_is_named():
    command = [sys.executable, "train.py", "--config", STREETS, "--distributed"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(CLUSTERS)}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: the environment does not tell of the other processes (")
    assert ended.stderr.endswith("give --coordinator=HOST:PORT, --num_processes and --process_id\n")


def test_one_process_keeps_what_it_has():
    tree = {"a": np.arange(3)}
    assert distributed.is_first()
    assert distributed.own_copy(tree) is tree
    assert distributed.from_first([4, 8]) == [4, 8]
    assert [distributed.Agreement().largest(number) for number in (0, 15)] == [0, 15]


def test_only_several_processes_can_lose_one():
    def fails() -> None:
        raise jax.errors.JaxRuntimeError("INTERNAL: a mistake of ours")

    with pytest.raises(jax.errors.JaxRuntimeError):
        distributed.naming_lost_peers(fails)


@pytest.mark.parametrize(
    ("ends", "status", "sentence"),
    [
        ("return 0", 0, ""),
        ("return 2", 2, ""),
        ("os.abort()", distributed.PEER_LOST, "error: another process of this run has ended or cannot be reached"),
        ("os.kill(os.getpid(), 9)", 137, "error: this process was ended by SIGKILL"),
        ("1 / 0", 1, "ZeroDivisionError"),
    ],
)
def test_a_supervised_process_ends_with_a_status_and_a_sentence(ends, status, sentence):
    program = f"""
import os, sys
from cyclegan_jax import distributed

def run():
    {ends}

sys.exit(distributed.supervised(run))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == status
    assert sentence in ended.stderr
    assert bool(sentence) == bool(ended.stderr)
