import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader

from mmrobustprune.engine.gradual.phases import Phases
from mmrobustprune.engine.pruning.schedule import batches_per_epoch, iterations
from mmrobustprune.recipes.build import build_recipe


def plan(total=900, per_epoch=100, **fields):
    return Phases.plan(build_recipe(dict(recipe='adasap', target=0.5, **fields)), total, per_epoch)


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


def test_written_out_plan():
    phases = plan(warmup='1 epochs', rounds=3, interval=20)
    assert phases.cut == 160
    assert [phases.phase(i) for i in (0, 99, 100, 159, 160)] == [
        'warmup',
        'warmup',
        'prune',
        'prune',
        'finetune',
    ]
    assert [phases.rounds_due(i) for i in (0, 119, 120, 139, 140, 159, 160, 899)] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
    ]


def test_length_of_the_pruning_phase_instead_of_an_interval():
    assert plan(warmup=0, rounds=4, prune='2 epochs').interval == 50


def test_a_plan_longer_than_the_schedule_is_refused():
    with pytest.raises(ValueError, match='takes 1000 iterations .* base schedule has 900'):
        plan(warmup='1 epochs', rounds=30, interval=30)


@given(warmup=st.integers(0, 200), rounds=st.integers(1, 40), interval=st.integers(1, 40))
def test_rounds_come_one_by_one_and_the_last_is_the_cut(warmup, rounds, interval):
    phases = Phases(warmup, interval, rounds, total=10_000)
    due = [phases.rounds_due(i) for i in range(phases.cut + 2 * interval)]
    assert all(b - a in (0, 1) for a, b in zip(due, due[1:], strict=False))
    assert due.index(rounds) == phases.cut and due[0] == 0 and due[-1] == rounds
