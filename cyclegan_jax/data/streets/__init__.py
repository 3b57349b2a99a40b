"""The embedded data set: street scenes, planned, drawn and stored."""
