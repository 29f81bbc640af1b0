"""Corruption suites: names, severities and what goes with them (`suites`).

One corrupted image is made by `apply.apply`, stored images are opened by `stored.open_stored` and
written by `write.write_tree`, and `metrics` says what finished cells mean. What needs OpenCV or
numba is imported from its own file: `from mmrobustprune.corruption.apply import apply`.
"""

from mmrobustprune.records.store import CellStore

from .metrics import Summary, summarize
from .suites import (
    ALL,
    BENCHMARK,
    CLEAN,
    GROUPS,
    SEVERITIES,
    SUITES,
    Cell,
    Suite,
    default_suite,
    expand,
    get_suite,
    suite_of,
)

__all__ = [
    'ALL',
    'BENCHMARK',
    'CLEAN',
    'Cell',
    'CellStore',
    'GROUPS',
    'SEVERITIES',
    'SUITES',
    'Suite',
    'Summary',
    'default_suite',
    'expand',
    'get_suite',
    'suite_of',
    'summarize',
]
