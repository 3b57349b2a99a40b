"""The norms that configs choose from, applied after a convolution that holds their parameters."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cyclegan_jax.kernels.instance_norm import EPS
from cyclegan_jax.networks.batch_norm import OverBatch
from cyclegan_jax.networks.frame import Frame
from cyclegan_jax.networks.layers import Conv

Images = Float[Array, "N H W I"]
Outputs = Float[Array, "N h w O"]


def normed(layer: Conv, x: Images, frame: Frame) -> Outputs:
    """Convolve, then normalise as `layer.norm` says; without a norm, only convolve.

    Args:
        layer: the convolution.
        x: its input.
        frame: how much of each array is image.
    """
    h = layer(x)
    if layer.norm in ("instance", "instance_affine"):
        h = frame.instance_norm(h, layer.kernels)
    if layer.norm == "instance_affine":
        return h * _param(layer, "scale", h.dtype) + _param(layer, "shift", h.dtype)
    return _batch_norm(layer, h, frame) if layer.norm == "batch" else h


def _batch_norm(layer: Conv, h: Outputs, frame: Frame) -> Outputs:
    """Batch norm by running statistics, and in training by those of the batch, which then replace the layer's own.

    As `torch.nn.BatchNorm2d`; computed in float32 at least.
    """
    wide = jnp.promote_types(h.dtype, jnp.float32)
    values = h.astype(wide)
    scale, shift, mean, var = (_param(layer, name, wide) for name in ("scale", "shift", "mean", "var"))
    # The statistics are no weights: a loss does not change them.
    mean, var = jax.lax.stop_gradient((mean, var))
    if isinstance(frame, OverBatch):
        mean, var, number = frame.batch_statistics(values)
        # The layer is the caller's own copy, made for this pass; the running variance is unbiased.
        _set(layer, "mean", mean)
        _set(layer, "var", var * (number / (number - 1)))
    return ((values - mean) * (scale * jax.lax.rsqrt(var + EPS)) + shift).astype(h.dtype)


def _set(layer: Conv, name: str, statistic: Float[Array, " O"]) -> None:
    variable: nnx.Param[Array] = getattr(layer, name)
    variable[...] = jax.lax.stop_gradient(statistic)


def _param(layer: Conv, name: str, dtype: jnp.dtype) -> Float[Array, "1 1 1 O"]:
    return jnp.asarray(getattr(layer, name)[...], dtype).reshape(1, 1, 1, -1)
