"""Figures of the papers, drawn from the runs that fill their tables."""
