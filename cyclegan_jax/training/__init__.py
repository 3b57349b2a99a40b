"""Training a run: the loop, its schedule, the files it writes, and how it stops."""
