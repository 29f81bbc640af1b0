"""Adversarial attacks on classifiers of pixels, and losses of adversarial training with theirs.

FGSM, PGD and AutoAttack have everything that a number depends on in their stamp.
"""

from .auto import AutoAttack
from .base import Attack, Clean, Outcome
from .classifier import Classifier, Normalise, Space, frozen
from .free import FreeAT
from .gradient import FGSM, PGD, SignAttack
from .loss_base import RobustLoss
from .losses import PGDAT, CrossEntropy, FastAT, build_robust_loss
from .presets import ASSUMED, ATTACKS, PRESETS, choose
from .regularised import MART, TRADES
from .sanity import doubts
from .subset import choose_subset
from .training import attacking, cached_weights, climb

__all__ = [
    'ASSUMED',
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
