"""The names that tensors of the reference networks have in the files of programs that trained CycleGANs."""

import re
from typing import Any

import torch
from torch import nn

from tests.parity.reference_networks import UNetPart


def official_state(network: nn.Module, block: str = "conv_block", *, dropout: bool = False) -> dict[str, torch.Tensor]:
    """The state dict of a reference network with the names that it has in a file.

    Args:
        network: from `reference_networks`, which has the order of layers of those programs, but other names.
        block: what the program calls the layers of a residual block.
        dropout: whether they contain a dropout, which moves what follows it by one.
    """

    def renamed(name: str) -> str:
        if isinstance(network, nn.Sequential):  # the discriminator of single pixels
            return f"net.{name}"
        name = name.replace("parts.", "model.").replace(".filter", ".filt")
        name = f"model.{name}" if isinstance(network, UNetPart) else name
        moved = re.sub(r"\.branch\.([56])\.", lambda match: f".branch.{int(match[1]) + dropout}.", name)
        return moved.replace(".branch.", f".{block}.")

    return {renamed(name): values for name, values in network.state_dict().items()}


def load_official(network: nn.Module, tensors: dict[str, Any], block: str = "conv_block", **options: Any) -> None:
    """Load a file into a reference network; as strict as PyTorch: no tensor may lack or be too many."""
    names = dict(zip(official_state(network, block, **options), network.state_dict(), strict=True))
    network.load_state_dict({names[name]: values for name, values in tensors.items()}, strict=True)
