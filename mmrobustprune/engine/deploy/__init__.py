"""A pruned network for others: one-shot surgery and export."""
