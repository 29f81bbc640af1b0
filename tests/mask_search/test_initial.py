"""First scores and random weights, by hand."""

import math

import pytest
import torch

from mmrobustprune.mask_search.initial import (
    input_norms,
    kaiming_normal,
    scaled,
    signed_constant,
    uniform,
)


def generator():
    return torch.Generator().manual_seed(0)


def test_scaled_weights_peak_at_the_root_of_six_by_fan_in():
    weight = torch.tensor([[1.0, -4.0, 2.0]])
    peak = math.sqrt(6 / 3)
    expected = torch.tensor([[peak / 4, -peak, peak / 2]])
    torch.testing.assert_close(scaled('fc', weight), expected)


def test_norms_of_input_channels():
    weight = torch.tensor([[1.0, -1.0], [2.0, 0.5]])  # l1 norms of the columns: 3 and 1.5
    expected = math.sqrt(6) * torch.tensor([[1.0, 0.5]])
    torch.testing.assert_close(input_norms('fc', weight), expected)


@pytest.mark.parametrize(
    'weight, why', [(torch.zeros(2, 2), 'all zero'), (torch.ones(2, 2), 'all of one size')]
)
def test_weights_that_give_no_order_are_named(weight, why):
    with pytest.raises(ValueError, match=f"weights of 'fc' are {why}"):
        scaled('fc', weight)


def test_random_weights_have_the_spread_of_their_fan_in():
    weight = torch.empty(400, 8, 2, 2)  # fan-in 32
    signs = signed_constant(weight, generator())
    assert signs.abs().unique().tolist() == [0.25]
    assert abs(float(signs.sign().mean())) < 0.02
    normal = kaiming_normal(weight, generator())
    assert float(normal.std()) == pytest.approx(0.25, rel=0.02)
    scores = uniform('conv', weight, generator())
    assert float(scores.abs().max()) == pytest.approx(1 / math.sqrt(32), rel=1e-3)
    assert abs(float(scores.mean())) < 0.005
