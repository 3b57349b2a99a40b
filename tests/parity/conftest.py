"""Settings for all parity tests."""

import torch

# At these sizes, several PyTorch threads mostly wait for each other, for minutes on a busy machine.
torch.set_num_threads(1)
