"""`python -m cyclegan_jax`: the same as the command `cyclegan-jax`."""

import sys

from cyclegan_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
