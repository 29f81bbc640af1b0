"""The exact knapsack of options."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.latency import Factor, Problem, knapsack
from tests.latency.problems import by_integer_program


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), min_size=1, max_size=5), st.floats(0, 1)
)
def test_the_knapsack_is_exact(seed, sizes, share):
    rng = np.random.default_rng(seed)
    values = [rng.integers(-2, 9, size).astype(float) for size in sizes]
    costs = [rng.integers(0, 7, size) * 0.5 for size in sizes]
    least = sum(cost.min() for cost in costs)
    most = sum(cost.max() for cost in costs)
    budget = float(least + share * (most - least))
    choice = knapsack(values, costs, budget, 0.5)

    def total(numbers, options):
        return sum(of_item[j] for of_item, j in zip(numbers, options, strict=True))

    every = itertools.product(*map(range, sizes))
    allowed = [options for options in every if total(costs, options) <= budget + 1e-9]
    assert total(costs, choice) <= budget + 1e-9
    best = max(total(values, options) for options in allowed)
    assert total(values, choice) == best
    factors = tuple(Factor((f'v{i}',), cost) for i, cost in enumerate(costs))
    problem = Problem({f'v{i}': value for i, value in enumerate(values)}, factors)
    assert by_integer_program(problem, budget + 1e-9) == pytest.approx(best)


def test_costs_are_rounded_up_so_that_the_budget_holds():
    choice = knapsack([np.array([1.0, 2.0])] * 3, [np.array([0.1, 0.29])] * 3, 0.6, 0.1)
    assert sum([0.1, 0.29][j] for j in choice) <= 0.6 and sum(choice) == 1


@pytest.mark.parametrize(
    'values, costs, unit, words',
    [
        ([[1.0]], [[-1.0]], 1, 'not negative'),
        ([[np.nan]], [[1.0]], 1, 'finite'),
        ([[1.0]], [[1.0]], 0, 'unit positive'),
        ([[1.0]], [[1.0, 2.0]], 1, 'in pairs'),
        ([[1.0]], [], 1, 'in pairs'),
    ],
)
def test_the_knapsack_refuses_what_it_cannot_weigh(values, costs, unit, words):
    with pytest.raises(ValueError, match=words):
        knapsack([np.array(v) for v in values], [np.array(c) for c in costs], 5.0, unit)


def test_the_knapsack_names_the_fastest():
    with pytest.raises(ValueError, match='takes 3 ms'):
        knapsack([np.array([1.0])] * 3, [np.array([1.0])] * 3, 2.5, 1.0)
    assert knapsack([], [], 1.0, 1.0) == []
