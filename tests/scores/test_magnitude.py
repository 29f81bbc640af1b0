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


def test_relative_magnitude_adds_up_what_each_layer_loses():
    """Filters of norm 3 and 4 of 5 in all, read by inputs of norm 12 and 5 of 13 in all."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1))
    units = torch.tensor([[0], [1]])
    group = Group('0', 2, (Slice('0', 'out', units), Slice('1', 'in', units)))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([3.0, 4.0]).view(2, 1, 1, 1))
        model[1].weight.copy_(torch.tensor([12.0, 5.0]).view(1, 2, 1, 1))
    expected = [3 / 5 + 12 / 13, 4 / 5 + 5 / 13]
    assert close(Magnitude(relative=True)(model, [group])['0'], expected)
    absolute = Magnitude(1, relative=True)(model, [group])['0']
    assert close(absolute, [3 / 7 + 12 / 17, 4 / 7 + 5 / 17])
    nn.init.zeros_(model[1].weight)
    assert close(Magnitude(relative=True)(model, [group])['0'], [3 / 5, 4 / 5])


def test_constants_of_the_architecture_are_no_magnitude():
    class Fixed(nn.Conv2d):
        fixed = True

    model = nn.Sequential(nn.Conv2d(1, 2, 1), Fixed(2, 2, 1), nn.Conv2d(2, 1, 1))
    units = torch.tensor([[0], [1]])
    sides = (('0', 'out'), ('1', 'in'), ('2', 'in'))
    group = Group('0', 2, tuple(Slice(layer, side, units) for layer, side in sides))
    without = Group('0', 2, (group.slices[0], group.slices[2]))
    for score in (Magnitude(), Magnitude(relative=True)):
        assert close(score(model, [group])['0'], score(model, [without])['0'].tolist())


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
