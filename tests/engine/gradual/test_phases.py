"""When a gradual pruning masks and removes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrobustprune.engine.gradual.phases import Rounds
from mmrobustprune.engine.pruning.schedule import Plan, Span
from mmrobustprune.recipes import Phase
from mmrobustprune.recipes.build import build_recipe


def plan(total=900, per_epoch=100, **fields):
    recipe = build_recipe(dict(recipe='adasap', target=0.5, **fields))
    return Plan.of(recipe.phases(), total, per_epoch)


def test_written_out_plan():
    phases = plan(warmup='1 epochs', rounds=3, interval=20)
    rounds = Rounds.of(phases)
    assert rounds.removal == 160
    names = [phases.at(i).name for i in (0, 99, 100, 159, 160)]
    assert names == ['warmup', 'warmup', 'prune', 'prune', 'finetune']
    due = [rounds.due(i) for i in (0, 119, 120, 139, 140, 159, 160, 899)]
    assert due == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [i for i in range(160) if rounds.window_ends(i)] == list(range(0, 160, 20))


def test_length_of_the_pruning_phase_instead_of_an_interval():
    assert Rounds.of(plan(warmup=0, rounds=4, prune='2 epochs')).interval == 50


def test_a_plan_longer_than_the_schedule_is_refused():
    with pytest.raises(
        ValueError, match=r'takes 1000 iterations \(warmup 100, prune 900\) .* schedule has 900'
    ):
        Rounds.of(plan(warmup='1 epochs', rounds=30, interval=30))


@pytest.mark.parametrize(
    'total, rounds, interval, warmup',
    [
        (48, 4, 4, 5),
        (312, 10, 10, 35),
        (2699, 30, 29, 300),
        (2700, 30, 30, 300),
        (9000, 30, 30, 1000),
    ],
)
def test_two_lines_fit_any_schedule(total, rounds, interval, warmup):
    """The rounds take a third at most: 16 of 48 iterations are 4 rounds of 4."""
    phases = plan(total)
    found = Rounds.of(phases)
    assert (found.number, found.interval, phases.spans[0].end) == (rounds, interval, warmup)
    assert found.number * found.interval <= total / 3


@given(st.integers(2, 3000))
def test_every_schedule_has_its_rounds_and_leaves_some_to_fine_tune(total):
    found = Rounds.of(plan(total))
    assert found.number * found.interval <= max(total / 3, 1) and found.removal < total


def test_gradients_that_are_accumulated_are_seen_between_two_rounds():
    recipe = build_recipe(dict(recipe='taylor', target=0.5))
    found = Rounds.of(Plan.of(recipe.phases(), 48, 12, accumulated=8))
    assert (found.number, found.interval) == (2, 8)


@pytest.mark.parametrize(
    'fields', [dict(rounds=30), dict(interval=30), dict(rounds=30, interval=30)]
)
def test_what_is_set_by_hand_is_not_fitted(fields):
    with pytest.raises(ValueError, match=r'takes 905 iterations .* leaves none to fine-tune'):
        Rounds.of(plan(48, **fields))


def test_the_log_says_what_was_chosen_and_why():
    recipe = build_recipe(dict(recipe='adasap', target=0.5))
    prune = recipe.phases()[1]
    assert Rounds.of(plan(9000)).pace(prune, 9000) == '30 rounds, 30 iterations apart'
    assert Rounds.of(plan(48)).pace(prune, 48) == (
        '4 rounds, 4 iterations apart (900 iters of 30 rounds are more than 33% of the 48 '
        'iterations; robust_prune.rounds, interval and prune set others)'
    )


def test_one_phase_has_the_rounds():
    phases = (Phase('a', '10 iters', rounds=2), Phase('b', '10 iters', rounds=2), Phase('c'))
    with pytest.raises(ValueError, match='2 phases with rounds of masks; give rounds to one of a'):
        Rounds.of(Plan.of(phases, 100, 10))


@given(warmup=st.integers(0, 200), rounds=st.integers(1, 40), interval=st.integers(1, 40))
def test_rounds_come_one_by_one_and_the_last_is_the_removal(warmup, rounds, interval):
    found = Rounds(Span('prune', warmup, warmup + rounds * interval, rounds))
    due = [found.due(i) for i in range(found.removal + 2 * interval)]
    assert all(b - a in (0, 1) for a, b in zip(due, due[1:], strict=False))
    assert due.index(rounds) == found.removal and due[0] == 0 and due[-1] == rounds


def test_a_phase_may_end_the_training_and_rounds_may_come_at_once():
    ends = Plan.of((Phase('soft', None, '1 epochs'), Phase('finetune')), 60, 10)
    with pytest.raises(ValueError, match='leaves none to fine-tune'):
        Rounds.of(ends)
    found = Rounds.of(ends, to_the_end=True)
    assert (found.number, found.removal) == (6, 60)
    assert [found.due(i) for i in (0, 9, 10, 59, 60)] == [0, 0, 1, 5, 6]
    at_once = Rounds(Span('prune', 20, 20, 3))
    assert [at_once.due(i) for i in (0, 19, 20, 50)] == [0, 0, 3, 3]
    assert not any(at_once.window_ends(i) for i in range(40))
