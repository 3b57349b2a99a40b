"""PyTorch on one thread: at these sizes its threads only wait for each other, for minutes on a busy machine."""

import torch

torch.set_num_threads(1)
