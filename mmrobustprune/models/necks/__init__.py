"""Necks that the experiments need and mmpretrain lacks."""

from .pooling import AdaptivePooling

__all__ = ['AdaptivePooling']
