"""Adversarial attacks on classifiers of pixels: FGSM, PGD, AutoAttack, with everything a number depends on in its stamp."""
from .auto import AutoAttack
from .base import Attack, Clean, Outcome
from .classifier import Classifier, Normalise, Space, frozen
from .gradient import FGSM, PGD, SignAttack
from .presets import ATTACKS, PRESETS, choose
from .sanity import doubts
from .subset import choose_subset

__all__ = ['ATTACKS', 'Attack', 'AutoAttack', 'Classifier', 'Clean', 'FGSM', 'Normalise', 'Outcome', 'PGD', 'PRESETS',
           'SignAttack', 'Space', 'choose', 'choose_subset', 'doubts', 'frozen']
