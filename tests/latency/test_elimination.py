"""The exact maximum by elimination, and what it refuses."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.latency import Elimination, Factor, Problem
from tests.latency.problems import every_choice, problems


@settings(max_examples=30, deadline=None)
@given(problems(), st.floats(0, 2), st.floats(0, 2))
def test_elimination_is_exact(problem, a, b):
    graph = Elimination(problem)
    best = max(a * value - b * ms for _, value, ms in every_choice(problem))
    levels = graph.solve(a, b)
    assert a * problem.value(levels) - b * problem.ms(levels) == pytest.approx(best, abs=1e-9)


def test_what_was_not_seen_to_hang_together_exactly_is_refused():
    names = [f'v{i}' for i in range(9)]
    everything = [Factor((a, b), np.ones((16, 16))) for a, b in itertools.combinations(names, 2)]
    with pytest.raises(ValueError, match='too many ways.*larger step'):
        Elimination(Problem({name: np.arange(16.0) for name in names}, tuple(everything)))
