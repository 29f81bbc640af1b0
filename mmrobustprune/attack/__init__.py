"""Adversarial attacks on classifiers of pixels: FGSM, PGD, AutoAttack, with everything a number depends on in its stamp;
and losses of adversarial training with theirs."""

from .auto import AutoAttack
from .base import Attack, Clean, Outcome
from .classifier import Classifier, Normalise, Space, frozen
from .gradient import FGSM, PGD, SignAttack
from .losses import MART, PGDAT, TRADES, CrossEntropy, FastAT, FreeAT, RobustLoss, build_robust_loss
from .presets import ATTACKS, PRESETS, choose
from .sanity import doubts
from .subset import choose_subset
from .training import attacking, cached_weights, climb

__all__ = [
    'ATTACKS',
    'Attack',
    'AutoAttack',
    'Classifier',
    'Clean',
    'CrossEntropy',
    'FGSM',
    'FastAT',
    'FreeAT',
    'MART',
    'Normalise',
    'Outcome',
    'PGD',
    'PGDAT',
    'PRESETS',
    'RobustLoss',
    'SignAttack',
    'Space',
    'TRADES',
    'attacking',
    'build_robust_loss',
    'cached_weights',
    'choose',
    'choose_subset',
    'climb',
    'doubts',
    'frozen',
]
