"""Ascents: which passes a sharpness-aware step makes, and along what its weights move."""

from .base import Ascent, Pass, Step, Take, parameters
from .fresh import Fresh
from .look import Look
from .momentum import Momentum
from .previous import Previous
from .sampled import Sampled
from .shares import Shares

__all__ = [
    'Ascent',
    'Fresh',
    'Look',
    'Momentum',
    'Pass',
    'Previous',
    'Sampled',
    'Shares',
    'Step',
    'Take',
    'parameters',
]
