"""Results on disk: whole files, what a number depends on, and a store of finished cells."""
