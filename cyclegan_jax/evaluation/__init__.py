"""How good a trained model is: scores that stand beside what a trivial answer scores."""
