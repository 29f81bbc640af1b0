"""Grouped-kernel pruning (SR-GKP, NeurIPS 2023): grouping, beam search, and the surgery."""

from mmrobustprune.scores.roughness import energy, roughness

from .beam import Beam
from .certificate import certify_grouped, mask_kernels
from .clusters import Clustered
from .density import DBSCAN
from .export import export_forms, fix_forms, race, time_forms
from .forms import set_form
from .grouping import Given, Grouping, Ordered, RandomGroups, Snaking
from .kernels import GroupedKernels, arrange, score
from .prune import Decision, prune_grouped_kernels
from .selection import GROUPINGS, SEARCHES, Largest, RandomKept, Seeds, build_grouping, build_search
from .tickets import TMI

__all__ = [
    'Beam',
    'Clustered',
    'DBSCAN',
    'Decision',
    'GROUPINGS',
    'Given',
    'GroupedKernels',
    'Grouping',
    'Largest',
    'Ordered',
    'RandomGroups',
    'RandomKept',
    'SEARCHES',
    'Seeds',
    'Snaking',
    'TMI',
    'arrange',
    'build_grouping',
    'build_search',
    'certify_grouped',
    'energy',
    'export_forms',
    'fix_forms',
    'mask_kernels',
    'prune_grouped_kernels',
    'race',
    'roughness',
    'score',
    'set_form',
    'time_forms',
]
