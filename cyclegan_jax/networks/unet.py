"""The U-Net generator of pix2pix, as the official code builds it for `--netG unet_128` and `unet_256`."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Key

from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import weights
from cyclegan_jax.networks.frame import Frame
from cyclegan_jax.networks.generator import GeneratorNetwork, Images, Outputs
from cyclegan_jax.networks.layers import Conv, TransposedConv, biased, dropout, layer_keys
from cyclegan_jax.networks.norms import normed
from cyclegan_jax.networks.weights import PAPER, Init


class UNetGenerator(GeneratorNetwork):
    """Image to image: 4x4 convolutions that halve the image down to few pixels, and as many that double it again.

    Each doubling one also sees what the halving one of the same size made. Channels double per halving, up to 8 times
    the width. No norm follows the first and the last halving, nor the last doubling.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        in_channels: int,
        out_channels: int,
        *,
        key: Key[Array, ""],
        dtype: jnp.dtype | None = None,
        kernels: Kernels | None = None,
        init: Init = PAPER,
    ):
        """Create the network with fresh weights; the arguments are those of `ResNetGenerator`."""
        # The innermost norms see maps of at least 2x2 pixels then.
        super().__init__(config, in_channels, config.size_multiple, dtype, kernels)
        self.dropout_rate = config.dropout
        options: dict[str, Any] = {"dtype": self.dtype, "kernels": self.kernels}
        hidden = options | {"bias": biased(config.norm)}
        widths = [config.width * min(2**level, 8) for level in range(config.depth)]
        last = config.depth - 1
        self.down = nnx.List(
            [
                Conv(before, after, 4, stride=2, padding=1, norm=config.norm if 0 < level < last else None, **hidden)
                for level, (before, after) in enumerate(pairwise([in_channels, *widths]))
            ]
        )
        # All but the innermost also take what was skipped.
        self.up = nnx.List(
            [
                TransposedConv(
                    widths[level] * (1 if level == last else 2), widths[level - 1], 4, norm=config.norm, **hidden
                )
                for level in range(last, 0, -1)
            ]
        )
        self.head = TransposedConv(2 * widths[0], out_channels, 4, **options)
        weights.draw(self, key, init)

    def forward(self, x: Images, dropout_keys: Key[Array, " N"] | None, frame: Frame) -> Outputs:
        """The output before the tanh."""
        skipped = [normed(self.down[0], frame.clear(x), frame)]
        for down in self.down[1:]:
            skipped.append(normed(down, frame.clear(jax.nn.leaky_relu(skipped[-1], 0.2)), frame))
        # The official leaky ReLU works in place and so changes what is skipped, too. The ReLU that follows hides that:
        # ReLU(leaky ReLU(x)) is ReLU(x).
        h = skipped.pop()
        for level, up in zip(range(len(self.up), 0, -1), self.up, strict=True):
            h = normed(up, frame.clear(jax.nn.relu(h)), frame)
            if dropout_keys is not None and self._drops_after(level):
                h = dropout(h, self.dropout_rate, layer_keys(dropout_keys, level))
            h = jnp.concatenate([skipped.pop(), h], axis=-1)
        return self.head(frame.clear(jax.nn.relu(h)))

    def _drops_after(self, level: int) -> bool:
        """Whether dropout follows the doubling from this level."""
        # Between maps of 8 times the width, but for the innermost, as in the official code.
        return self.dropout_rate > 0 and 4 <= level < len(self.up)
