"""The networks' three convolutions. Each takes the form that a `Kernels` chooses; all forms agree up to rounding."""

from jaxtyping import Array, Float

from cyclegan_jax.kernels import doubling, few_channels, plain, taps, upsampling, winograd
from cyclegan_jax.kernels.choice import Kernels, Padding

UNPADDED: Padding = ((0, 0), (0, 0))


def convolve(
    x: Float[Array, "N H W I"],
    kernel: Float[Array, "k k I O"],
    kernels: Kernels,
    *,
    stride: int = 1,
    padding: Padding = UNPADDED,
) -> Float[Array, "N h w O"]:
    """Convolve, as `torch.nn.functional.conv2d` does.

    Args:
        x: the images.
        kernel: the weights.
        kernels: chooses the form.
        stride: step of the kernel, pixels.
        padding: zeros around the images.
    """
    form = kernels.convolution(x.shape, kernel.shape, kernel.dtype, stride=stride, padding=padding)
    if form == "winograd":
        return winograd.convolve(x, kernel)
    if form == "few_channels":
        return few_channels.convolve(x, kernel)
    if form == "taps":
        return taps.convolve(x, kernel, stride, padding, 1)
    return plain.convolve(x, kernel, stride, padding)


def convolve_doubling(
    x: Float[Array, "N H W I"], kernel: Float[Array, "k k I O"], kernels: Kernels, *, before: int
) -> Float[Array, "N 2*H 2*W O"]:
    """Put a zero after every pixel, add zeros around the image up to twice its size afterwards, and convolve.

    A transposed convolution of stride 2 with the kernel mirrored and its channels exchanged does the same.

    Args:
        x: the images.
        kernel: the weights.
        kernels: chooses the form.
        before: zeros at the top and the left.
    """
    form = kernels.doubling_convolution(kernel.shape)
    if form == "doubling":
        return doubling.convolve(x, kernel, before)
    # A zero between two pixels makes 2H - 1 rows: k - 1 zeros keep the size under the kernel, one more makes it 2H.
    pads = (before, kernel.shape[0] - before)
    if form == "taps":
        return taps.convolve(x, kernel, 1, (pads, pads), 2)
    return plain.convolve(x, kernel, 1, (pads, pads), 2)


def convolve_upsampled(
    x: Float[Array, "N H W I"], kernel: Float[Array, "3 3 I O"], kernels: Kernels
) -> Float[Array, "N 2*H 2*W O"]:
    """Double height and width by repeating pixels, then convolve with zero padding 1.

    Args:
        x: the images.
        kernel: the weights.
        kernels: chooses the form.
    """
    form = kernels.upsampled_convolution(kernel.dtype)
    if form == "shared_upsampling":
        return upsampling.convolve_upsampled(x, kernel)
    if form == "folded_upsampling":
        return doubling.convolve_upsampled(x, kernel)
    return convolve(plain.upsample_nearest(x), kernel, kernels, padding=((1, 1), (1, 1)))
