"""Networks as files of PyTorch: with the layout and the names of the program whose networks they are."""

from collections.abc import Sequence

import numpy as np

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import layouts, torch_names, torch_weights, torch_writer
from cyclegan_jax.exchange.layouts import Part
from cyclegan_jax.exchange.torch_names import Slot
from cyclegan_jax.networks.cyclegan import Params


def encode(params: Params, config: TrainConfig, slot: Slot) -> bytes:
    """The content of a file with one network, which loads strictly into that of the program, where the program has it.

    The arguments are those of `tensors`.
    """
    return torch_writer.encode(tensors(params, config, slot))


def tensors(params: Params, config: TrainConfig, slot: Slot) -> dict[str, np.ndarray]:
    """The tensors of such a file by name, in PyTorch's order.

    Args:
        params: the network's parameters.
        config: the experiment that trained it.
        slot: which of the four it is.

    Raises:
        UserError: the program's network would compute something else.
    """
    channels = config.data.channels_A, config.data.channels_B
    if slot[0] == "generators" and _is_pytorch_gan(config) and channels != (3, 3):
        raise UserError(
            f"generator.upsample is resize for images of {channels[0]} and {channels[1]} channels: PyTorch-GAN, whose "
            "network that is, pads its ends by the number of channels and would compute something else; choose another "
            "--format"
        )
    return torch_weights.from_params(params, _layout(config, slot))


def file_name(config: TrainConfig, slot: Slot, step: int) -> str:
    """What the program would call the file, such as `latest_net_G_A.pth` or `G_AB_1000.pth`."""
    names = torch_names.PYTORCH_GAN if _is_pytorch_gan(config) else torch_names.OFFICIAL
    name = next(name for name, of in names.items() if of == slot)
    return f"{name}_{step}.pth" if names is torch_names.PYTORCH_GAN else f"latest_net_{name}.pth"


def _is_pytorch_gan(config: TrainConfig) -> bool:
    return config.generator.upsample == "resize"


def _layout(config: TrainConfig, slot: Slot) -> Sequence[Part]:
    if slot[0] == "discriminators":
        return layouts.discriminator(config.discriminator)
    block = layouts.SHORT_BLOCK if _is_pytorch_gan(config) else layouts.OFFICIAL_BLOCK
    return layouts.generator(config.generator, block)
