"""Count the floating-point operations that the networks need; a multiplication and its addition are two."""

from cyclegan_jax.config import DiscriminatorConfig, GeneratorConfig, TrainConfig


def generator(config: GeneratorConfig, size: int, channels: int = 3) -> float:
    """FLOPs of one image of `size` x `size` pixels through a generator."""
    width, full, half, quarter = config.width, size**2, size**2 / 4, size**2 / 16
    products: float = 49 * channels * width * full * 2
    products += 9 * width * (2 * width) * half + 9 * (2 * width) * (4 * width) * quarter
    products += config.blocks * 2 * 9 * (4 * width) ** 2 * quarter
    # A pixel meets 9 taps of a transposed kernel; 16 of nearest upsampling folded into its convolution.
    taps = 9 if config.upsample == "transposed" else 16
    products += taps * (4 * width) * (2 * width) * quarter + taps * (2 * width) * width * half
    return 2 * products


def discriminator(config: DiscriminatorConfig, size: int, channels: int = 3) -> tuple[float, float]:
    """FLOPs of one image through a discriminator, and those of its first convolution alone."""
    if config.kind == "pytorch_gan":
        widths = [channels, *(config.width * 2**k for k in range(4))]
        outputs = [(size / 2 ** (k + 1)) ** 2 for k in range(4)]
        head = (size / 16) ** 2
    else:
        widths = [channels, *(config.width * min(2**k, 8) for k in range(config.n_layers + 1))]
        smallest = size / 2**config.n_layers
        outputs = [(size / 2 ** (k + 1)) ** 2 for k in range(config.n_layers)] + [(smallest - 1) ** 2]
        head = (smallest - 2) ** 2
    layers = [2 * 16 * before * after * n for before, after, n in zip(widths[:-1], widths[1:], outputs, strict=True)]
    return sum(layers) + 2 * 16 * widths[-1] * head, layers[0]


def train_step(config: TrainConfig) -> float:
    """FLOPs of a whole training step: those that backpropagation needs, without any that are discarded.

    The backward pass costs twice the forward pass: once for the weights, once for the input. A generator runs four
    times, six with the identity loss of the target domain. A discriminator sees real and generated images without a
    gradient for them, and the generated ones once more without a gradient for its weights.
    """
    size = config.data.crop_size[0]
    passes = 6 if config.loss.identity_weight > 0 and config.loss.identity == "target" else 4
    judged, first = discriminator(config.discriminator, size)
    one_discriminator = 2 * (3 * judged - first) + 2 * judged
    return config.batch_size * (passes * 3 * generator(config.generator, size) + 2 * one_discriminator)
