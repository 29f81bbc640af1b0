"""Phases in iterations: lengths, their order, and the plan of a checkpoint."""

import pytest
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader

from mmrobustprune.engine.pruning.schedule import Plan, Span, asked, batches_per_epoch, iterations
from mmrobustprune.recipes import Phase
from mmrobustprune.recipes.build import build_recipe


@pytest.mark.parametrize(
    'length, expected',
    [(0.25, 225), ('3 epochs', 300), ('1.5 epochs', 150), ('42 iters', 42), (0, 0), ('7i', 7)],
)
def test_lengths_in_iterations(length, expected):
    assert iterations(length, 'warmup', total=900, per_epoch=100) == expected


@pytest.mark.parametrize('length', [1.0, -0.1, 12, True, 'three epochs', '10'])
def test_a_length_without_a_unit_is_refused(length):
    with pytest.raises(ValueError, match='warmup.*fraction of the schedule'):
        iterations(length, 'warmup', 900, 100)


def test_an_endless_sampler_counts_the_whole_data_for_every_process():
    """100 samples in batches of 4: 25 for one process, 13 for each of two."""

    def batches(sampler):
        return batches_per_epoch(
            DataLoader(range(100), batch_size=4, sampler=sampler, drop_last=False)
        )

    endless = InfiniteSampler(range(100))
    assert batches(endless) == batches(DefaultSampler(range(100))) == 25
    endless.world_size = 2
    assert batches(endless) == 13
    assert (
        batches_per_epoch(DataLoader(range(100), batch_sampler=BatchSampler(endless, 4, False)))
        == 13
    )


PHASES = (
    Phase('warmup', '1 epochs'),
    Phase('regularise', 0.25),
    Phase('prune', '70 iters', rounds=3),
    Phase('finetune'),
)


def test_phases_follow_one_another_and_the_last_takes_what_is_left():
    plan = Plan.of(PHASES, total=400, per_epoch=50)
    assert plan.spans == (
        Span('warmup', 0, 50),
        Span('regularise', 50, 150),
        Span('prune', 150, 219, 3),  # three rounds of 23
        Span('finetune', 219, 400),
    )
    assert plan.lengths() == 'warmup 50, regularise 100, prune 69'
    names = [plan.at(i).name for i in (0, 49, 50, 149, 150, 218, 219, 399, 400)]
    expected = ['warmup', 'warmup', 'regularise', 'regularise', 'prune', 'prune'] + ['finetune'] * 3
    assert names == expected
    assert plan.span('regularise').done(75) == 0.25


def test_what_a_longer_schedule_adds_belongs_to_the_last_phase():
    plan = Plan.of(PHASES, total=400, per_epoch=50)
    longer = Plan.resumed(plan.to_list(), 1000, PHASES)
    assert longer.spans[:-1] == plan.spans[:-1]
    assert longer.spans[-1] == Span('finetune', 219, 1000) and longer.total == 1000


def test_what_a_longer_schedule_adds_belongs_to_the_open_phase():
    """RLTH searches to the end: its random weights are never fine-tuned."""
    phases = build_recipe(dict(recipe='s2ap_rlth', target=0.9)).phases()
    plan = Plan.of(phases, total=100, per_epoch=10)
    longer = Plan.resumed(plan.to_list(), 200, phases)
    assert longer == Plan.of(phases, total=200, per_epoch=10)
    assert longer.at(199).name == 'search'


def test_what_a_recipe_asks_is_plain_data():
    recipe = build_recipe(dict(recipe='adasap', target=0.5, warmup=0.1, prune='2 epochs', rounds=4))
    assert asked(recipe.phases()) == [
        ['warmup', 0.1, 0],
        ['prune', '2 epochs', 4],
        ['finetune', None, 0],
    ]


def test_rounds_may_be_so_long_apart_and_a_longer_schedule_has_more_of_them():
    phases = (Phase('soft', None, '1 epochs'), Phase('finetune'))
    plan = Plan.of(phases, total=60, per_epoch=10)
    assert plan.spans == (Span('soft', 0, 60, 6), Span('finetune', 60, 60))
    assert Plan.resumed(plan.to_list(), 90, phases) == Plan.of(phases, 90, 10)
    odd = Plan.of((Phase('soft', '25 iters', '1 epochs'), Phase('finetune')), 60, 10)
    assert odd.spans == (Span('soft', 0, 20, 2), Span('finetune', 20, 60))


@pytest.mark.parametrize('total', [60, 65, 78, 99])
def test_a_longer_schedule_of_any_length_keeps_the_pace(total):
    phases = (Phase('soft', None, '1 epochs'), Phase('finetune'))
    plan = Plan.of(phases, total=65, per_epoch=10)
    assert plan.spans == (Span('soft', 0, 60, 6), Span('finetune', 60, 65))
    longer = Plan.resumed(plan.to_list(), total, phases)
    assert longer == Plan.of(phases, total, 10) and longer.spans[0].interval == 10


def test_rounds_of_no_length_come_at_once():
    plan = Plan.of((Phase('warmup', 0), Phase('prune', 0, rounds=3), Phase('finetune')), 60, 10)
    assert plan.spans[1] == Span('prune', 0, 0, 3) and plan.at(0).name == 'finetune'


def test_a_pace_of_less_than_an_iteration_is_one_iteration():
    plan = Plan.of((Phase('soft', None, '0.01 epochs'),), 12, 6)
    assert (plan.spans[0].rounds, plan.spans[0].interval) == (12, 1)
