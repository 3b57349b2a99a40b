"""Models to and from other programs: one generator as a file of its own, PyTorch weights, ONNX, StableHLO."""
