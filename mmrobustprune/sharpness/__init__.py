"""Sharpness-aware training in plain PyTorch: rules, and a step in two passes."""

from .adasap import AdaSAP
from .ascents import Ascent
from .build import build_ascent, build_rule
from .rules import ASAM, AWP, SAM, Rule
from .score_space import S2AP, MaskedAWP
from .step import two_pass_step

__all__ = [
    'ASAM',
    'AWP',
    'AdaSAP',
    'Ascent',
    'MaskedAWP',
    'Rule',
    'S2AP',
    'SAM',
    'build_ascent',
    'build_rule',
    'two_pass_step',
]
