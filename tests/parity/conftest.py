"""What the parity tests share."""

import torch

# On one thread: at these sizes PyTorch's threads only wait for each other, for minutes on a busy machine.
torch.set_num_threads(1)
