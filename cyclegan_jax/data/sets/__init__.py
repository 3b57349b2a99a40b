"""Data sets by name: Cityscapes, the paper's ten, labelled image sets."""
