"""Train a CycleGAN: `python train.py --config configs/streets.py [--workdir DIR] [--any.field=value]`.

The installed command `cyclegan-jax train` is the same.
"""

import sys

from cyclegan_jax.cli.main import train

if __name__ == "__main__":
    sys.exit(train(sys.argv[1:]))
