"""A search for a mask inside a training."""
