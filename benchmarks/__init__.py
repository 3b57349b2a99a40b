"""Measurements behind the figures in the README and docs; run each as `python -m benchmarks.NAME`."""
