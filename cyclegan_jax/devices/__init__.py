"""Devices and processes: meshes, compiled steps, memory, runs over several processes, and what JAX starts with."""
