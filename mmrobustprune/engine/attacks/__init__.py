"""Adversarial attacks on a configured model."""
