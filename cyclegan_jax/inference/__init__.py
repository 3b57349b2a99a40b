"""Trained networks in use: on arrays, images of any size, image files and web pages."""
