"""Published data sets: Cityscapes, the paper's ten sets, labelled image sets of TFDS; their download and storage."""
