"""Soft pruning: which units go, when, and how they are kept at zero."""
from .maskset import MaskSet

__all__ = ['MaskSet']
