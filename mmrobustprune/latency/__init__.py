"""Widths under a latency budget: measured blocks, and the best widths within a time."""

from mmrobustprune.cost.timing import Timing, stamp, time_call

from .blocks import Signature, TimedBlock, record_blocks
from .elimination import Elimination
from .knapsack import knapsack
from .measure import measure_table, measure_whole, stamp_of
from .network import LatencyModel, Network
from .problem import Factor, Problem, Solution
from .selection import LatencySelection
from .solver import solve
from .table import LatencyTable, TimingGrid

__all__ = [
    'TimedBlock',
    'Elimination',
    'Factor',
    'TimingGrid',
    'LatencyModel',
    'LatencySelection',
    'LatencyTable',
    'Network',
    'Problem',
    'Signature',
    'Solution',
    'Timing',
    'knapsack',
    'measure_table',
    'measure_whole',
    'record_blocks',
    'solve',
    'stamp',
    'stamp_of',
    'time_call',
]
