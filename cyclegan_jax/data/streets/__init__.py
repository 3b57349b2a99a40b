"""The embedded data set: street scenes, laid out and drawn."""
