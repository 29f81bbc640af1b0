"""The size of all that goes with a unit."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency import Group, Slice
from mmrobustprune.scores import (
    Magnitude,
    Random,
)
from tests.scores.nets import close, net


def test_magnitude_sums_over_all_coupled_weights():
    model, groups = net()
    assert close(Magnitude(2)(model, groups)['0'], [13.0, 3**0.5])
    assert close(Magnitude(1)(model, groups)['0'], [19.0, 3.0])
    filters = Magnitude(2).filters(model)
    assert set(filters) == {'0', '2'}
    assert close(filters['0'], [5.0, 2**0.5]) and close(filters['2'], [145**0.5])
    with pytest.raises(ValueError, match='p=1 or p=2'):
        Magnitude(3)


def test_magnitude_of_units_with_several_channels():
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 1, 1))
    pairs = torch.tensor([[0, 2], [1, 3]])
    group = Group('0', 2, (Slice('0', 'out', pairs), Slice('1', 'in', pairs)))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 2, 3, 4]).view(4, 1, 1, 1))
        model[1].weight.zero_()
    assert close(Magnitude()(model, [group])['0'], [10**0.5, 20**0.5])


def test_transposed_convolutions_are_read_along_their_own_axes():
    layer = nn.ConvTranspose2d(3, 2, 2)
    norms = Magnitude().filters(nn.Sequential(layer))['0']
    assert torch.allclose(norms, layer.weight.square().sum((0, 2, 3)).sqrt())
    assert Random().filters(nn.Sequential(layer))['0'].shape == (2,)
