"""Trained networks in use: images and files of any size and kind."""
