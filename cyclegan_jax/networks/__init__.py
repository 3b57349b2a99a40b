"""The networks: flax.nnx modules that know nothing of training."""
