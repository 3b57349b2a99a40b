"""Checkpoints of a run: writing, opening, restoring, deleting, scores and health."""
