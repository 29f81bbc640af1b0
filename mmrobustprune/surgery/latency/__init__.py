"""Widths under a latency budget."""
from .elimination import Elimination
from .knapsack import knapsack
from .problem import Factor, Problem, Solution
from .solver import solve

__all__ = ['Elimination', 'Factor', 'Problem', 'Solution', 'knapsack', 'solve']
