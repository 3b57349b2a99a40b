"""What the parity tests share."""

import jax
import pytest
import torch

from cyclegan_jax.kernels import convolution
from cyclegan_jax.kernels import few_channels as thin

# On one thread: at these sizes PyTorch's threads only wait for each other, for minutes on a busy machine.
torch.set_num_threads(1)


@pytest.fixture
def forms_of_wide_networks(monkeypatch):
    """Let the tests' narrow networks compute as wide ones do: in the forms that pay from so many channels on."""
    monkeypatch.setattr(convolution, "LEAST_CHANNELS", 1)
    monkeypatch.setattr(convolution, "LEAST_TILES", 1)
    monkeypatch.setattr(thin, "FEW", 3)


@pytest.fixture
def forms_for_gpu(monkeypatch):
    """Let the networks be what they are on a GPU, compiled for the device at hand."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
