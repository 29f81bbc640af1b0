"""Corruption suites: names and severities (`suites`), one corrupted image (`apply.apply`), images that are stored
(`stored.open_stored`, written by `write.write_tree`), finished cells on disk (`store`) and what they say (`metrics`).

What needs OpenCV or numba is imported from its own file: `from mmrobustprune.corruption.apply import apply`.
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
    expand,
    get_suite,
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
    'expand',
    'get_suite',
    'summarize',
]
