"""Scores of trained generators, each with the controls that show what a trivial answer scores."""
