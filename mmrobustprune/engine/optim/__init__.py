"""Sharpness-aware training as an OptimWrapper."""
