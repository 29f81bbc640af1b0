"""Grouped-kernel pruning (SR-GKP, NeurIPS 2023): smoothness, grouping, beam search, and the surgery."""
from .beam import Beam
from .certificate import certify_grouped, mask_kernels
from .clusters import Clustered
from .export import export_forms, time_forms
from .grouping import Given, Grouping, Ordered, RandomGroups, Snaking
from .kernels import GroupedKernels, arrange, score
from .prune import Decision, prune_grouped_kernels
from .selection import GROUPINGS, SEARCHES, Largest, RandomKept, build_grouping, build_search
from .smoothness import energy, roughness
from .tickets import TMI

__all__ = ['Beam', 'Clustered', 'Decision', 'GROUPINGS', 'Given', 'GroupedKernels', 'Grouping', 'Largest', 'Ordered',
           'RandomGroups', 'RandomKept', 'SEARCHES', 'Snaking', 'TMI', 'arrange', 'build_grouping', 'build_search',
           'certify_grouped', 'energy', 'export_forms', 'mask_kernels', 'prune_grouped_kernels', 'roughness', 'score',
           'time_forms']
