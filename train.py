"""Train a CycleGAN: `python train.py --config configs/streets.py [--workdir DIR] [--any.field=value]`."""

import sys

from cyclegan_jax.cli.main import train

if __name__ == "__main__":
    sys.exit(train(sys.argv[1:]))
