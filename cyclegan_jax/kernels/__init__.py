"""The forms that the networks' operations take on each platform; they know JAX alone."""
