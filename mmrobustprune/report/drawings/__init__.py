"""Drawings that explain: what is removed and how it is chosen, from real tensors."""
