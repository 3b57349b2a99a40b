"""Records PyTorch's numbers for the stacks on which PyTorch is not installed.

`python -m tests.parity.record` writes `tests/recorded/recorded.npz`; `test_record.py` fails where it is out of date.
"""

from functools import partial

import jax
import numpy as np
import torch
from torch import nn

from cyclegan_jax import optimizer, state
from tests.helpers.lockstep import RECIPES, STEPS, lockstep_config, make_batches, make_scripts
from tests.parity import reference_networks as reference
from tests.parity.exchange import from_torch, nchw, nhwc
from tests.parity.lockstep_reference import make_reference, with_weights_of
from tests.recorded import record_file
from tests.recorded.record_file import NETWORKS, WIDTH, Record, flatten


def make_record() -> Record:
    """Compute everything that is recorded, in float64."""
    with jax.enable_x64(True):
        return record_networks() | record_training()


def record_networks() -> Record:
    """Parameters, input, output and gradients of each network."""
    record: Record = {}
    for name, network in NETWORKS.items():
        theirs = _reference_network(name)
        _draw(theirs)
        like = record_file.fresh_params(network.make())
        image = nchw(network.input()).requires_grad_()
        output = theirs(image)
        weighting = record_file.weighting(nhwc(output).shape)
        (output * nchw(weighting)).sum().backward()
        assert image.grad is not None
        record |= flatten(f"{name}/params", from_torch(theirs, like), np.float32)
        record |= flatten(f"{name}/gradient", from_torch(theirs, like, grad=True), np.float64)
        record |= {f"{name}/output": nhwc(output), f"{name}/input_gradient": nhwc(image.grad)}
    return record


def record_training() -> Record:
    """Initial parameters and the losses of ten steps of each recipe, with Adam and with plain descent."""
    record: Record = {}
    for recipe in RECIPES:
        config = lockstep_config(recipe)
        for kind in ("adam", "sgd"):
            theirs = make_reference(recipe, config, kind, make_scripts(config))
            for network in (theirs.G_AB, theirs.G_BA, theirs.D_A, theirs.D_B):
                _round_to_float32(network)
            shapes = jax.eval_shape(partial(state.create, config, optimizer.adam(config.optimizer)))
            ours = with_weights_of(theirs, shapes)
            start = {"generators": ours.generators, "discriminators": ours.discriminators}
            record |= flatten(f"{recipe}/params", start, np.float32)
            losses = [theirs.step(nchw(real_A), nchw(real_B)) for real_A, real_B in make_batches(config)]
            assert len(losses) == STEPS
            for name in losses[0]:
                record[f"{recipe}/{kind}/{name}"] = np.array([values[name] for values in losses])
    return record


def _reference_network(name: str) -> nn.Module:
    if name in ("resize", "transposed"):
        return reference.Generator(3, 3, width=WIDTH, blocks=1, upsample=name).double()
    kind = reference.PyTorchGANDiscriminator if name == "pytorch_gan" else reference.NLayerDiscriminator
    return kind(3, WIDTH).double()


def _draw(network: nn.Module) -> None:
    """Wide weights and biases: with the usual zero biases, a forgotten bias would not show."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    _round_to_float32(network)


def _round_to_float32(network: nn.Module) -> None:
    """The file holds weights as float32, so the reference must compute with exactly those."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.float().double())


if __name__ == "__main__":
    torch.set_num_threads(1)
    np.savez_compressed(record_file.PATH, **make_record())  # type: ignore[arg-type]
    print(f"{record_file.PATH}: {record_file.PATH.stat().st_size / 1e3:.0f} kB")
