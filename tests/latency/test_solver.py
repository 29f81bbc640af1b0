"""Widths within a budget: against all choices, an integer program, and instances with the answer written out."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from mmrobustprune.latency import Elimination, Factor, Problem, knapsack, solve


def chain(widths, price=1.0):
    """A chain of convolutions: value of width w is sqrt(w), time of a layer is in * out."""
    values = {f'v{i}': np.sqrt(width) for i, width in enumerate(widths)}
    factors = [
        Factor((f'v{i}', f'v{i + 1}'), price * np.outer(widths[i], widths[i + 1]))
        for i in range(len(widths) - 1)
    ]
    return Problem(values, tuple(factors))


@st.composite
def problems(draw):
    """Random small graphs: any pairs and triples, staircases, ties and zero values among the numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    names = [f'v{i}' for i in range(len(sizes))]
    values = {
        name: np.sort(rng.integers(0, 6, size) * rng.choice([1.0, 0.3]))
        for name, size in zip(names, sizes, strict=True)
    }
    factors = []
    for scope in draw(
        st.lists(st.sets(st.sampled_from(names), min_size=1, max_size=3), max_size=6)
    ):
        scope = tuple(rng.permutation(sorted(scope)).tolist())
        shape = [sizes[names.index(name)] for name in scope]
        factors.append(
            Factor(
                scope, np.ceil(rng.random(shape) * 4) if rng.random() < 0.5 else rng.random(shape)
            )
        )
    return Problem(values, tuple(factors), float(rng.random()))


def every_choice(problem):
    """(levels, value, ms) of all choices."""
    for levels in itertools.product(*(range(len(worth)) for worth in problem.values.values())):
        levels = dict(zip(problem.values, levels, strict=True))
        yield levels, problem.value(levels), problem.ms(levels)


def by_integer_program(problem, budget):
    """The best value by scipy's milp: one binary per level, one per entry of a factor, tied to its levels."""
    start, rows, lower, upper = {}, [], [], []
    count = 0
    for name, worth in problem.values.items():
        start[name], count = count, count + len(worth)
    parts = [
        (factor, count + sum(f.ms.size for f in problem.factors[:i]))
        for i, factor in enumerate(problem.factors)
    ]
    total = count + sum(factor.ms.size for factor in problem.factors)

    def constrain(entries, low, high):
        row = np.zeros(total)
        for index, weight in entries:
            row[index] += weight
        rows.append(row)
        lower.append(low)
        upper.append(high)

    for name, worth in problem.values.items():
        constrain([(start[name] + i, 1) for i in range(len(worth))], 1, 1)
    for factor, first in parts:
        cells = np.arange(factor.ms.size).reshape(factor.ms.shape) + first
        for axis, name in enumerate(factor.variables):
            for level in range(factor.ms.shape[axis]):
                constrain(
                    [(start[name] + level, -1)]
                    + [(i, 1) for i in np.take(cells, level, axis).flat],
                    0,
                    0,
                )
    constrain(
        [(first + i, ms) for factor, first in parts for i, ms in enumerate(factor.ms.flat)],
        -np.inf,
        budget - problem.constant,
    )
    worth = np.concatenate([*problem.values.values(), np.zeros(total - count)])
    found = milp(
        -worth,
        constraints=LinearConstraint(np.array(rows), lower, upper),
        integrality=np.ones(total),
        bounds=Bounds(0, 1),
    )
    return None if found.x is None else -found.fun


@settings(max_examples=30, deadline=None)
@given(problems(), st.floats(0, 2), st.floats(0, 2))
def test_elimination_is_exact(problem, a, b):
    graph = Elimination(problem)
    best = max(a * value - b * ms for _, value, ms in every_choice(problem))
    levels = graph.solve(a, b)
    assert a * problem.value(levels) - b * problem.ms(levels) == pytest.approx(best, abs=1e-9)


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


def residual(rng, levels=6):
    """Two stages of two bottleneck blocks, residual widths shared, units of random worth."""
    width = np.arange(1, levels + 1) * 8
    values, factors = {}, []

    def variable(name):
        values[name] = np.cumsum(np.sort(rng.gamma(0.5, size=8 * levels))[::-1])[width - 1]

    def layer(a, b, ms):
        if a == b:
            return
        factors.append(
            Factor((a, b), ms * np.outer(np.ceil(width / 16), np.ceil(width / 16)) + 0.1)
        )

    variable('stem')
    last = 'stem'
    for stage in ('s1', 's2'):
        variable(stage)
        for block in 'ab':
            one, two = f'{stage}{block}1', f'{stage}{block}2'
            variable(one)
            variable(two)
            layer(last, one, 1)
            layer(one, two, 3)
            layer(two, stage, 1)
            layer(last, stage, 1)
            last = stage
    return Problem(values, tuple(factors), 0.5)


def test_a_chain_by_hand():
    problem = chain([np.array([1.0, 4.0]), np.array([1.0, 9.0]), np.array([1.0, 4.0])])
    # (1, 9, 1) takes 9 + 9 = 18 and is worth 1 + 3 + 1 = 5; (4, 1, 4) takes 8 and is worth 2 + 1 + 2 = 5
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


def test_what_was_not_seen_to_hang_together_exactly_is_refused():
    names = [f'v{i}' for i in range(9)]
    everything = [Factor((a, b), np.ones((16, 16))) for a, b in itertools.combinations(names, 2)]
    with pytest.raises(ValueError, match='too many ways.*larger step'):
        Elimination(Problem({name: np.arange(16.0) for name in names}, tuple(everything)))


@pytest.mark.parametrize(
    'values, factors',
    [
        ({'v': np.array([1.0, np.nan])}, []),
        ({'v': np.array([])}, []),
        ({'v': np.array([1.0])}, [Factor(('v',), np.array([np.inf]))]),
    ],
)
def test_numbers_that_are_not_finite_are_refused(values, factors):
    with pytest.raises(ValueError, match='finite'):
        Problem(values, tuple(factors))


def test_tables_of_another_shape_are_refused():
    with pytest.raises(ValueError, match='one axis per variable'):
        Problem({'v': np.array([1.0, 2.0])}, (Factor(('v',), np.ones(3)),))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), min_size=1, max_size=5), st.floats(0, 1)
)
def test_the_knapsack_is_exact(seed, sizes, share):
    rng = np.random.default_rng(seed)
    values = [rng.integers(-2, 9, size).astype(float) for size in sizes]
    costs = [rng.integers(0, 7, size) * 0.5 for size in sizes]
    least, most = (sum(f(cost) for cost in costs) for f in (np.min, np.max))
    budget = float(least + share * (most - least))
    choice = knapsack(values, costs, budget, 0.5)
    assert sum(cost[j] for cost, j in zip(costs, choice, strict=True)) <= budget + 1e-9
    best = max(
        sum(v[j] for v, j in zip(values, js, strict=True))
        for js in itertools.product(*map(range, sizes))
        if sum(c[j] for c, j in zip(costs, js, strict=True)) <= budget + 1e-9
    )
    assert sum(value[j] for value, j in zip(values, choice, strict=True)) == best
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
