"""Corruption suites: names and severities (`suites`), one corrupted image (`apply.apply`), finished
cells on disk (`store`) and what they say (`metrics`)."""
from .metrics import Summary, summarize
from .store import CLEAN, CellStore
from .suites import ALL, BENCHMARK, GROUPS, SEVERITIES, SUITES, Cell, Suite, expand, get_suite

__all__ = ['ALL', 'BENCHMARK', 'CLEAN', 'Cell', 'CellStore', 'GROUPS', 'SEVERITIES', 'SUITES',
           'Suite', 'Summary', 'expand', 'get_suite', 'summarize']
