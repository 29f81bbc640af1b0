"""Problems to solve, and other ways to solve them."""

import itertools

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from mmrobustprune.latency import Factor, Problem


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
    """Random small graphs of pairs and triples, with staircases, ties and zeros in the numbers."""
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
    """The best value by scipy's milp.

    One binary per level, and one per entry of a factor, tied to its levels.
    """
    rows = []
    lower = []
    upper = []
    start = {}
    count = 0
    for name, worth in problem.values.items():
        start[name] = count
        count += len(worth)
    parts = []
    total = count
    for factor in problem.factors:
        parts.append((factor, total))
        total += factor.ms.size

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
    times = []
    for factor, first in parts:
        times += [(first + i, ms) for i, ms in enumerate(factor.ms.flat)]
    constrain(times, -np.inf, budget - problem.constant)
    worth = np.concatenate([*problem.values.values(), np.zeros(total - count)])
    found = milp(
        -worth,
        constraints=LinearConstraint(np.array(rows), lower, upper),
        integrality=np.ones(total),
        bounds=Bounds(0, 1),
    )
    return None if found.x is None else -found.fun


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
