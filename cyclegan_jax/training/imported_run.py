"""A run at step 0 whose networks were trained by another program."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import jax

from cyclegan_jax import files, state
from cyclegan_jax import optimizer as optimizer_lib
from cyclegan_jax.checkpoints import folders
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import torch_names, torch_networks
from cyclegan_jax.exchange.torch_names import Slot
from cyclegan_jax.exchange.torch_networks import TorchNetwork
from cyclegan_jax.training.workdir import WorkdirLock, reporting_unwritable, write_config

ALL: Final = tuple(torch_names.OFFICIAL.values())
"""The networks of a CycleGAN."""


def check_free(workdir: Path) -> None:
    """Refuse a work directory that holds a run.

    Raises:
        UserError: it has checkpoints.
    """
    with files.naming("--workdir"):
        if folders.steps(workdir):
            raise UserError(f"{workdir} holds a run already: give another --workdir")


def write(networks: Mapping[Slot, TorchNetwork], config: TrainConfig, workdir: Path) -> list[Slot]:
    """Write the run: its config, and a checkpoint of step 0 with fresh optimizers and pools.

    Args:
        networks: those that there are; the others get fresh weights, and the checkpoint says which they are.
        config: the run's, see `torch_networks.config_of`.
        workdir: made where it does not exist.

    Returns:
        The networks that were drawn fresh.

    Raises:
        UserError: the work directory holds a run, or cannot be written; or the tensors of a network do not fit it.
    """
    loaded = {slot: torch_networks.params(network, slot, config) for slot, network in networks.items()}
    drawn = [slot for slot in ALL if slot not in loaded]
    begin = jax.jit(lambda: state.create(config, optimizer_lib.adam(config.optimizer)))()
    for (kind, name), values in loaded.items():
        getattr(begin, kind)[name] = jax.tree.map(jax.numpy.asarray, values)
    if begin.ema is not None:
        begin = begin._replace(ema=jax.tree.map(jax.numpy.copy, begin.generators))
    with WorkdirLock(workdir), reporting_unwritable(workdir):
        check_free(workdir)
        with CheckpointWriter(workdir, config) as checkpoints:
            write_config(config, workdir, 0)
            checkpoints.save(begin, None, untrained=[".".join(slot) for slot in drawn])
    return drawn
