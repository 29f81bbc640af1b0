"""Corruption suites and natural shifts on a configured model."""
