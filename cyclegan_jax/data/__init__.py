"""Where images come from: the embedded street scenes, the palette of their labels, and a user's own files."""
