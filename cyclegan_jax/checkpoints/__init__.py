"""Checkpoints: one on disk, those of a run, their scores and health, resuming and fine-tuning."""
