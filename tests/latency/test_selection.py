"""The latency of any widths, and masks within a latency."""

import copy
import itertools

import numpy as np
import pytest
import torch

from mmrobustprune.dependency.groups import full
from mmrobustprune.latency import LatencyModel, LatencySelection, LatencyTable, Network, solve
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import trace
from tests.latency.fake import STAMP, Bottlenecks, bilinear, measured

CONSTANT = 0.125  # ms of all that is no block


def network_ms(network):
    """The invented time of a network, block by block."""
    return sum(
        bilinear(None, 1 if block.signature.depthwise else block.inputs, block.outputs).median
        for block in network.blocks
    )


@pytest.fixture(scope='module')
def toy():
    """(model, trace, latency model)"""
    example = torch.randn(2, 3, 8, 8)
    model = Bottlenecks()
    dense = network_ms(Network.read(model, trace(model, example), example))
    model, found, network, table = measured(model, dense=dense + CONSTANT)
    return model, found, LatencyModel(network, table)


def scores(found, seed=0):
    rng = np.random.default_rng(seed)
    return {
        group.name: torch.from_numpy(rng.gamma(0.5, size=group.units)) for group in found.groups
    }


def after_surgery(model, found, alive):
    """The invented time of the network that is really cut."""
    twin, example = Bottlenecks(), torch.randn(2, 3, 8, 8)
    masks = MaskSet(twin, found.groups)
    masks.remove(alive)
    rebuild(twin, masks.structure('test'))
    return network_ms(Network.read(twin, (), example)) + CONSTANT


def test_the_prediction_is_the_time_of_the_cut_network(toy):
    model, found, latency = toy
    assert latency.constant == pytest.approx(CONSTANT)
    assert latency.predict({}) == pytest.approx(latency.dense)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        alive = {
            group.name: torch.from_numpy(
                rng.permutation(group.units) < rng.integers(8, group.units + 1)
            )
            for group in found.groups
        }
        assert latency.predict(alive) == pytest.approx(after_surgery(model, found, alive))


def test_factors_add_up_to_the_prediction(toy):
    _, found, latency = toy
    levels = LatencySelection(latency, found.groups).sizes()
    problem = latency.problem(
        levels, {name: np.zeros(len(level)) for name, level in levels.items()}
    )
    for choice in itertools.islice(
        itertools.product(*(range(len(level)) for level in levels.values())), 40
    ):
        at = dict(zip(levels, choice, strict=True))
        kept = {name: int(levels[name][level]) for name, level in at.items()}
        assert problem.ms(at) == pytest.approx(latency.predict(kept))


@pytest.mark.parametrize(
    'solver, target',
    [('exact', 0.1), ('exact', 0.3), ('exact', 0.45), ('linearised', 0.1), ('linearised', 0.3)],
)
def test_a_plan_keeps_the_best_units_within_the_budget(toy, solver, target):
    model, found, latency = toy
    selection, score = LatencySelection(latency, found.groups, solver=solver), scores(found)
    alive = selection.plan(score, target)
    assert after_surgery(model, found, alive) <= (1 - target) * latency.dense * (1 + 1e-9)
    for name, mask in alive.items():
        assert mask.sum() % 8 == 0
        assert mask.all() or score[name][mask].min() >= score[name][~mask].max()
    assert selection.solution.ms == pytest.approx(latency.predict(alive))
    assert sum(float(score[name][mask].sum()) for name, mask in alive.items()) == pytest.approx(
        selection.solution.value
    )


def test_the_plan_is_the_best_of_all(toy):
    _, found, latency = toy
    selection, score = LatencySelection(latency, found.groups), scores(found, 3)
    budget, best = 0.6 * latency.dense, 0.0
    levels = selection.sizes()
    worth = {name: np.cumsum(np.sort(value.numpy())[::-1]) for name, value in score.items()}
    for kept in itertools.product(*levels.values()):
        kept = dict(zip(levels, map(int, kept), strict=True))
        if latency.predict(kept) <= budget:
            best = max(best, sum(worth[name][count - 1] for name, count in kept.items()))
    selection.plan(score, 0.4)
    assert selection.solution.value <= best + 1e-9 <= selection.solution.bound + 2e-9
    assert selection.solution.value >= 0.97 * best


def test_rounds_follow_the_exponential_schedule_and_masks_only_grow(toy):
    _, found, latency = toy
    selection, alive = LatencySelection(latency, found.groups), None
    alive = {group.name: torch.ones(group.units, dtype=torch.bool) for group in found.groups}
    for number in range(1, 5):
        fresh = selection.step(scores(found, number), 0.45, alive, number, 4)
        assert all((mask <= alive[name]).all() for name, mask in fresh.items())
        assert latency.predict(fresh) <= latency.dense * 0.55 ** (number / 4) * (1 + 1e-9)
        alive = fresh
    assert 1 - latency.predict(alive) / latency.dense >= 0.45


def test_no_latency_target_beyond_the_fastest_network(toy):
    _, found, latency = toy
    selection = LatencySelection(latency, found.groups, min_keep=0.5)
    most = selection.most()
    selection.check(most - 1e-6)
    with pytest.raises(
        ValueError, match=f'nearest feasible value is {most:.4f} .* lower the target or min_keep'
    ):
        selection.plan(scores(found), most + 1e-3)
    for solver, sentence in (
        ('exact', 'cannot be met: the fastest'),
        ('linearised', 'one linearised step from here comes to'),
    ):
        with pytest.raises(ValueError, match=sentence):
            LatencySelection(latency, found.groups, solver=solver).within(scores(found), CONSTANT)


@pytest.mark.parametrize(
    'fields, words',
    [
        (dict(solver='magic'), "unknown solver 'magic'"),
        (dict(normalise='all'), "unknown normalisation 'all'"),
        (dict(min_keep=1.0), 'min_keep'),
        (dict(round_to=0), 'round_to=0'),
    ],
)
def test_fields_that_are_not_allowed(toy, fields, words):
    with pytest.raises(ValueError, match=words):
        LatencySelection(toy[2], toy[1].groups, **fields)


def test_targets_and_scores_that_are_none(toy):
    _, found, latency = toy
    selection = LatencySelection(latency, found.groups)
    with pytest.raises(ValueError, match='in \\(0, 1\\), not 1.5'):
        selection.plan(scores(found), 1.5)
    with pytest.raises(ValueError, match='nothing can be pruned'):
        LatencySelection(latency, ()).plan({}, 0.5)
    odd = scores(found) | {
        found.groups[0].name: torch.tensor([float('nan')] * found.groups[0].units)
    }
    with pytest.raises(ValueError, match='finite numbers'):
        selection.plan(odd, 0.3)


def test_a_network_that_was_not_measured_is_named():
    model, example = Bottlenecks(), torch.randn(2, 3, 8, 8)
    network = Network.read(model, trace(model, example), example)
    with pytest.raises(ValueError, match='lacks this network'):
        LatencyModel(network, LatencyTable(STAMP))


def test_sizes_are_few_and_in_steps(toy):
    _, found, latency = toy
    selection = LatencySelection(latency, found.groups, min_keep=0.3, levels=2)
    for group in found.groups:
        sizes = selection.sizes()[group.name]
        assert sizes.tolist() == ([16, 32] if group.units == 32 else [8, 16])
    few = {group.name: torch.arange(group.units) < 11 for group in found.groups}
    assert [s.tolist() for s in LatencySelection(latency, found.groups).sizes(few).values()] == [
        [8, 11]
    ] * len(found.groups)


def test_a_network_that_is_no_faster_by_half_is_told_so(toy):
    _, found, latency = toy
    still = copy.copy(latency)
    still.factor, still.constant = 0.0, latency.dense
    with pytest.raises(ValueError, match='no faster with half of its units'):
        LatencySelection(still, found.groups).check(0.1)


def test_a_linearised_round_that_does_not_reach_its_budget_is_solved_exactly(toy):
    _, found, latency = toy
    selection = LatencySelection(latency, found.groups, solver='linearised')
    target, alive = selection.most() - 1e-6, full(found.groups)
    with pytest.raises(ValueError, match='one linearised step'):
        selection.within(scores(found), (1 - target) * latency.dense)
    with pytest.warns(UserWarning, match='round 1 of 1 is solved exactly: one linearised step'):
        alive = selection.step(scores(found), target, alive, 1, 1)
    assert selection.removed(alive)['latency'] >= target


def test_solving_twice_gives_the_same(toy):
    _, found, latency = toy
    levels = LatencySelection(latency, found.groups).sizes()
    values = {name: np.sqrt(level) for name, level in levels.items()}
    first, second = (solve(latency.problem(levels, values), 0.6 * latency.dense) for _ in range(2))
    assert first == second


def test_a_limited_group_keeps_its_share(toy):
    _, found, latency = toy
    name = found.groups[0].name
    free = LatencySelection(latency, found.groups, min_keep=0, round_to=1).sizes()
    rule = LatencySelection(latency, found.groups, min_keep=0, round_to=1, limits={name: 0.25})
    units = found.groups[0].units
    assert min(rule.sizes()[name]) >= 0.75 * units > min(free[name])
    others = [group.name for group in found.groups[1:]]
    assert all(rule.sizes()[other].tolist() == free[other].tolist() for other in others)
