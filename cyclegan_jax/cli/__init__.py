"""The command lines: `cyclegan-jax` with its subcommands, and `train.py`."""
