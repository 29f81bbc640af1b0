"""Soft pruning: which units go, when, and how they are kept at zero."""

from mmrobustprune.cost.model import CostModel

from .admm import ADMMMaskSet
from .inputs import InputMaskSet
from .maskset import MaskSet
from .ranked import RankedSelection
from .rate_search import SearchedSelection
from .regrowing import RegrowingMaskSet
from .schedule import exponential
from .select import Selection
from .sensitivity import loss_weights
from .soft import SoftMaskSet

__all__ = [
    'ADMMMaskSet',
    'CostModel',
    'InputMaskSet',
    'MaskSet',
    'RankedSelection',
    'RegrowingMaskSet',
    'SearchedSelection',
    'Selection',
    'SoftMaskSet',
    'exponential',
    'loss_weights',
]
