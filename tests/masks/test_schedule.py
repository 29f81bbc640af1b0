"""The exponential schedule of AdaSAP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrobustprune.masks import exponential


def test_the_printed_example():
    # 1000 units, p = 0.8, ten rounds: 851.3, 724.8, 617.0, 525.3, 447.2, 380.7, ... 200
    assert exponential(1000, 0.8, 10) == [851, 725, 617, 525, 447, 381, 324, 276, 235, 200]


def test_each_round_removes_the_same_share():
    kept = [10**9, *exponential(10**9, 0.5, 30)]
    for before, after in zip(kept, kept[1:], strict=False):
        assert after / before == pytest.approx(0.5 ** (1 / 30), rel=1e-6)


@given(st.integers(1, 10**5), st.floats(0, 0.99), st.integers(1, 60))
def test_monotone_and_exact_at_the_end(m, ratio, rounds):
    kept = exponential(m, ratio, rounds)
    assert len(kept) == rounds and kept[-1] == round(m * (1 - ratio))
    assert all(a >= b for a, b in zip([m, *kept], kept, strict=False))


@pytest.mark.parametrize('fields', [(10, 1.0, 3), (10, -0.1, 3), (10, 0.5, 0)])
def test_bad_input(fields):
    with pytest.raises(ValueError, match='must'):
        exponential(*fields)
