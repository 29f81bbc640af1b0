"""Soft pruning: which units go, when, and how they are kept at zero."""

from mmrobustprune.cost.model import CostModel

from .maskset import MaskSet
from .ranked import RankedSelection
from .schedule import exponential
from .select import Selection

__all__ = ['CostModel', 'MaskSet', 'RankedSelection', 'Selection', 'exponential']
