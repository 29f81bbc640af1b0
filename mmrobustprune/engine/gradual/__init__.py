"""Gradual structured pruning inside a training."""
