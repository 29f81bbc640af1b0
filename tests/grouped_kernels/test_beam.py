"""The vectorised search against brute force and against a slow, obvious one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.peak_memory import PeakMemory
from mmrobustprune.grouped_kernels import Beam, arrange, score
from tests.grouped_kernels.cases import similarity
from tests.support.grouped_reference import Search, best_score
from tests.support.grouped_reference import score as slow_score

pytestmark = pytest.mark.timeout(1200)


@settings(max_examples=150, deadline=None)
@given(channels=st.integers(3, 10), data=st.data())
def test_the_search_chooses_what_the_slow_one_does(channels, data):
    draw = data.draw
    options = dict(
        width=draw(st.integers(1, 4)),
        check_every=draw(st.integers(1, 3)),
        alpha=draw(st.sampled_from([0, 0.25, 0.5, 0.9, 1])),
        beta=draw(st.sampled_from(['size', 'first', 0, 2.0])),
        nearest=draw(st.sampled_from([1, 1, 2, 3, 0.2, 0.6])),
        outside=draw(st.booleans()),
        by=draw(st.sampled_from(['cost', 'cost', 'roughness'])),
        distinct=draw(st.booleans()),
    )
    keep = draw(st.integers(1, min(channels - 1, 6)))
    close, rough = similarity(
        2, channels, draw(st.sampled_from([2, 16, 4096])), draw(st.integers(0, 10**6))
    )
    kept = Beam(**options, memory=draw(st.sampled_from([1, 20_000, None]))).search(
        close, rough, keep
    )
    slow = [
        Search(s, r, keep, **options).run()
        for s, r in zip(close.tolist(), rough.tolist(), strict=True)
    ]
    assert kept.tolist() == slow


def test_threads_find_the_same_sets():
    close, rough = similarity(4, 12, 4096, 0)
    found = {}
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            found[threads] = [Beam(memory=memory).search(close, rough, 5) for memory in (1, None)]
        finally:
            torch.set_num_threads(before)
    for alone, together in zip(*found.values(), strict=True):
        assert torch.equal(alone, together)


def test_candidates_are_ranked_even_where_all_of_them_stay():
    """As the released code does, which decides among sets of equal cost."""
    close = torch.tensor([[[1.0, 0.5, 0.5], [0.5, 1.0, 1.0], [0.5, 1.0, 1.0]]])
    rough = torch.tensor([[2.0, 3.5, 2.0]])
    # 1 and 2 are copies: {0, 1} and {0, 2} cost the same, and from 0 the smoother comes first
    kept = Beam(width=2, alpha=0).search(close, rough, 2)
    slow = Search(close[0].tolist(), rough[0].tolist(), 2, width=2, alpha=0).run()
    assert kept.tolist() == [slow] == [[0, 2]]


@pytest.mark.parametrize('channels, keep', [(6, 3), (7, 2), (5, 4)])
def test_a_beam_that_holds_all_sets_finds_the_best(channels, keep):
    close, rough = similarity(3, channels, 4096, channels)
    kept = Beam(width=math.comb(channels, keep) * math.factorial(keep)).search(close, rough, keep)
    for distance, members in zip((1 - close).tolist(), kept.tolist(), strict=True):
        assert slow_score(distance, members) == pytest.approx(best_score(distance, keep), abs=1e-12)


def test_a_wider_beam_finds_better_sets():
    points = torch.randn(16, 24, 3, 3, generator=torch.Generator().manual_seed(0))
    kernels = arrange('x', points, torch.arange(16), 8)
    one, four, sixteen = (
        score(kernels.similarity, Beam(width=width, alpha=1)(kernels, 14)) for width in (1, 4, 16)
    )
    assert one.mean() < four.mean() < sixteen.mean()
    assert (sixteen >= one).all()


def test_the_trace_of_one_start_leads_to_what_is_kept():
    points = torch.randn(4, 12, 3, 3, generator=torch.Generator().manual_seed(0))
    kernels = arrange('x', points, torch.arange(4), 2)
    beam = Beam(width=2)
    kept = beam(kernels, 5)
    ends = []
    for start in range(12):
        steps = beam.trace(kernels, 5, group=1, start=start)
        assert [int(step.sum(1).unique()) for step in steps] == [1, 2, 3, 4, 5]
        assert all(bool(step[:, start].all()) for step in steps)
        ends += [one.nonzero().flatten().tolist() for one in steps[-1]]
    assert kept[1].tolist() in ends


def test_three_points_by_hand():
    """On a line at 0, 1, 5, 5 the far ones are kept; the ranking puts the later of equals first."""
    points = torch.tensor([0.0, 1.0, 5.0, 5.0]).double()
    kernels = arrange('line', points.view(1, 4, 1, 1), torch.tensor([0]), 1)
    assert torch.equal(kernels.similarity[0], 1 - (points[:, None] - points).abs())
    # kept {0, 5}: 5 apart, the others lie 1 and 0 from their nearest: 5 - 1/2 * 1
    kept = Beam()(kernels, 2)
    assert kept.tolist() == [[0, 3]] and float(score(kernels.similarity, kept)) == 4.5


def test_memory_stays_within_its_bound():
    close, rough = similarity(4, 48, 4096, 0)
    peaks = {}
    for memory in (2**17, 2**21):
        with PeakMemory() as used:
            kept = Beam(memory=memory).search(close, rough, 24)
        peaks[memory] = used.peak
    assert torch.equal(kept, Beam(memory=2**17).search(close, rough, 24))
    assert peaks[2**17] < 2**20 < peaks[2**21] < 2**24


@pytest.mark.parametrize(
    'device',
    [
        'cpu',
        pytest.param(
            'cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
        ),
    ],
)
def test_single_precision_and_other_devices(device):
    close, rough = similarity(2, 12, 64, 1)
    expected = Beam().search(close, rough, 6)
    assert torch.equal(Beam().search(close.to(device), rough.to(device), 6).cpu(), expected)
    assert torch.equal(
        Beam().search(close.float().to(device), rough.float().to(device), 6).cpu(), expected
    )


@pytest.mark.parametrize(
    'wrong',
    [
        dict(width=0),
        dict(width=1.5),
        dict(check_every=0),
        dict(alpha=1.1),
        dict(beta='auto'),
        dict(nearest=0),
        dict(nearest=2.5),
        dict(by='l2'),
    ],
)
def test_options_outside_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Beam(**wrong)
