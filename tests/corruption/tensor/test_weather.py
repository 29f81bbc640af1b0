import numpy as np
import pytest
import torch

from mmrobustprune.corruption.functions import Draws
from mmrobustprune.corruption.functions import weather as arrays
from mmrobustprune.corruption.tensor import BatchDraws, weather


@pytest.mark.parametrize('decay', [1.4, 2])
def test_maps_of_fog_are_those_on_arrays_bit_for_bit(decay):
    found = weather.plasma(64, decay, BatchDraws([Draws(4), Draws(9)], 'cpu'))
    for one, seed in zip(found, (4, 9), strict=True):
        assert np.array_equal(one, arrays.plasma(64, decay, Draws(seed)))


def test_frost_alone_is_a_part_of_a_photograph():
    images = torch.full((2, 3, 40, 50), 9, dtype=torch.float64)
    out = weather.frost(images, (0, 1), BatchDraws([Draws(1), Draws(2)], 'cpu'))
    for one, seed in zip(out, (1, 2), strict=True):
        assert np.array_equal(one.permute(1, 2, 0), arrays.frost_part((40, 50), Draws(seed)))


def test_an_image_on_which_no_drop_falls_stays_as_it_is():
    images = torch.arange(256, dtype=torch.float64).view(1, 1, 16, 16).repeat(1, 3, 2, 2)
    dry = (0.1, 0.01, 1, 0.9, 0.6, 0)
    assert torch.equal(weather.spatter(images, dry, BatchDraws([Draws(1)], 'cpu')), images)
