"""Ascents: which passes a sharpness-aware step makes, and along what its weights move."""

from .base import Ascent, Pass, Step, parameters
from .fresh import Fresh
from .momentum import Momentum
from .previous import Previous

__all__ = [
    'Ascent',
    'Fresh',
    'Momentum',
    'Pass',
    'Previous',
    'Step',
    'parameters',
]
