"""Widths within a budget: against all choices, an integer program, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.latency import Factor, Problem, solve
from tests.latency.problems import by_integer_program, chain, every_choice, problems, residual


@settings(max_examples=40, deadline=None)
@given(problems(), st.floats(0, 1))
def test_within_the_budget_and_under_the_bound_of_every_small_graph(problem, share):
    times = [ms for *_, ms in every_choice(problem)]
    budget = min(times) + share * (max(times) - min(times)) + 1e-9
    best = max(value for _, value, ms in every_choice(problem) if ms <= budget)
    found = solve(problem, budget, tolerance=0)
    assert found.ms == problem.ms(found.levels) <= budget
    assert found.value == problem.value(found.levels)
    assert found.value - 1e-9 <= best <= found.bound + 1e-9
    assert best - found.value <= found.gap * abs(found.bound) + 1e-9
    assert by_integer_program(problem, budget) == pytest.approx(best, abs=1e-6)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.9))
def test_a_small_residual_network_against_the_integer_program(seed, share):
    problem = residual(np.random.default_rng(seed))
    dense = problem.ms({name: len(worth) - 1 for name, worth in problem.values.items()})
    found = solve(problem, share * dense)
    assert found.ms <= share * dense and found.gap <= 0.03  # few levels, all times in large steps
    exact = by_integer_program(problem, share * dense)
    assert found.value <= exact * (1 + 1e-6) <= found.bound * (1 + 2e-6)


def test_a_chain_by_hand():
    problem = chain([np.array([1.0, 4.0]), np.array([1.0, 9.0]), np.array([1.0, 4.0])])
    # (1, 9, 1) takes 9 + 9 = 18 and is worth 1 + 3 + 1 = 5;
    # (4, 1, 4) takes 8 and is worth 2 + 1 + 2 = 5
    assert solve(problem, 72).value == 7 and solve(problem, 72).gap == 0
    found = solve(problem, 8)
    assert (found.levels, found.value, found.ms) == ({'v0': 1, 'v1': 0, 'v2': 1}, 5, 8)


def test_the_fastest_value_is_named_where_the_budget_cannot_be_met():
    problem = chain([np.array([2.0, 4.0])] * 3)
    with pytest.raises(ValueError, match='takes 8 ms; raise the budget'):
        solve(problem, 7.9)
    assert solve(problem, 8).levels == dict(v0=0, v1=0, v2=0)


def test_wider_is_taken_where_it_is_no_slower():
    staircase = np.array([1.0, 2.0, 2.0, 2.0])
    problem = Problem({'v': np.array([1.0, 2.0, 3.0, 4.0])}, (Factor(('v',), staircase),))
    assert solve(problem, 2).levels == {'v': 3}
