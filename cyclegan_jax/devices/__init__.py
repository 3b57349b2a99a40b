"""Devices and processes: placement, memory, several processes, what JAX is started with."""
