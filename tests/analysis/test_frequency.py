"""Low and high frequencies: their sum, their radii, waves whose place is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.analysis import FrequencyFilter, radii, split

EVERY = [
    (shape, normaliser) for shape in ('circle', 'square') for normaliser in ('half_side', 'corner')
]


@settings(max_examples=80, deadline=None)
@given(
    height=st.integers(2, 17),
    width=st.integers(2, 17),
    theta=st.floats(0, 1.5),
    choice=st.sampled_from(EVERY),
    seed=st.integers(0, 99),
)
def test_low_and_high_make_the_image(height, width, theta, choice, seed):
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    low, high = split(images, theta, *choice)
    assert (low + high - images).abs().max() <= 1e-6
    assert low.dtype == images.dtype and low.shape == images.shape
    again, nothing = split(low, theta, *choice)  # a projection: filtering twice changes nothing
    assert torch.allclose(again, low, atol=1e-5) and nothing.abs().max() <= 1e-5


@pytest.mark.parametrize('shape, normaliser', EVERY)
def test_theta_at_its_ends(shape, normaliser):
    images = torch.rand(1, 3, 8, 8)
    low, high = split(images, 0, shape, normaliser)
    assert torch.allclose(high, images, atol=1e-6) and not low.any()
    low, high = split(images, 1e-9, shape, normaliser)  # the constant alone is low
    assert torch.allclose(low, images.mean((2, 3), keepdim=True).expand_as(low), atol=1e-6)
    low, _ = split(images, 1.5, shape, normaliser)
    assert torch.allclose(low, images, atol=1e-6)


def test_radii_written_out():
    root = math.sqrt
    circle = [
        [0, 0.5, 1, 0.5],
        [0.5, root(0.5), root(1.25), root(0.5)],
        [1, root(1.25), root(2), root(1.25)],
        [0.5, root(0.5), root(1.25), root(0.5)],
    ]
    assert torch.allclose(radii(4, 4), torch.tensor(circle, dtype=torch.float64))
    assert radii(4, 4, 'square').tolist() == [
        [0, 0.5, 1, 0.5],
        [0.5, 0.5, 1, 0.5],
        [1, 1, 1, 1],
        [0.5, 0.5, 1, 0.5],
    ]
    assert torch.allclose(radii(4, 4, normaliser='corner'), radii(4, 4) / root(2))
    assert torch.equal(radii(6, 4, 'square', 'corner'), radii(6, 4, 'square'))


@pytest.mark.parametrize(
    'cycles, theta, part', [(2, 0.3, 'low'), (2, 0.2, 'high'), (6, 0.8, 'low'), (6, 0.7, 'high')]
)
def test_a_wave_lies_where_its_cycles_say(cycles, theta, part):
    """`cycles` per 16 pixels are a radius of cycles / 8."""
    wave = torch.cos(2 * math.pi * cycles * torch.arange(16) / 16).expand(1, 1, 16, 16)
    kept = dict(zip(('low', 'high'), split(wave, theta), strict=True))
    assert (
        torch.allclose(kept.pop(part), wave, atol=1e-5)
        and next(iter(kept.values())).abs().max() <= 1e-5
    )


def test_the_filter_is_one_of_the_parts_and_passes_gradients():
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    low, high = split(images, 0.4)
    assert torch.equal(FrequencyFilter('low', 0.4)(images), low) and torch.equal(
        FrequencyFilter('high', 0.4)(images), high
    )
    FrequencyFilter('high', 0.4)(images).square().sum().backward()
    assert torch.allclose(images.grad, 2 * high, atol=1e-5)


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (('middle', 0.3), "part='middle'"),
        (('low', -0.1), 'theta=-0.1'),
        (('low', float('nan')), 'theta=nan'),
        (('low', 0.3, 'star'), "shape='star'"),
        (('low', 0.3, 'circle', 'side'), "normaliser='side'"),
    ],
)
def test_wrong_values_are_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        FrequencyFilter(*arguments)


def test_a_single_pixel_is_refused():
    with pytest.raises(ValueError, match='at least 2x2'):
        split(torch.rand(1, 3, 1, 8), 0.3)
