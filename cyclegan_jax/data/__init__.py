"""Data: opening data sets, decoding, resizing, augmentation, and training batches."""
