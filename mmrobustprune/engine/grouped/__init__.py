"""One-shot grouped-kernel pruning before a training."""
