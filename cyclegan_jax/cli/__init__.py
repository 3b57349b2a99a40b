"""The command lines: `train.py`, and `cyclegan-jax` with its subcommands."""
