"""Layers that use one weight in several ways, as the layers that they consist of."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.groups import Group, Slice, Trace
from mmrobustprune.dependency.parts import InParts, LayerPart, in_parts, joined, register_parts


class Twice(nn.Module):
    """The sum of a linear layer on an input and on its square."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 3))

    def forward(self, x):
        return x @ self.weight.T + (x * x) @ self.weight.T


class Once(LayerPart, nn.Linear):
    def __init__(self, whole):
        super().__init__(3, 2, bias=False)
        self.whole = (whole,)
        self.weight = whole.weight


class TwiceInParts(InParts):
    def parts(self):
        return dict(first=Once(self), second=Once(self))

    def forward(self, x):
        return self.first(x) + self.second(x * x)


register_parts(Twice, TwiceInParts)


def test_a_layer_runs_its_parts_and_is_itself_again_whatever_happens():
    model = nn.Sequential(nn.Linear(3, 3), Twice())
    x = torch.randn(5, 3)
    expected = model(x)
    weight = model[1].weight
    with pytest.raises(RuntimeError), in_parts(model) as names:
        assert names == {'1.first': '1', '1.second': '1'}
        assert model[1].first.weight is model[1].second.weight is weight
        assert len(list(model.parameters())) == 3
        torch.testing.assert_close(model(x), expected)
        raise RuntimeError
    assert type(model[1]) is Twice and list(model[1].named_parameters()) == [('weight', weight)]
    assert not list(model[1].children()) and torch.equal(model(x), expected)


def test_what_parts_lose_the_layer_loses_once():
    index = torch.arange(2)[:, None]
    slices = [Slice(layer, 'out', index) for layer in ('a', 'b.one', 'b.two')]
    group = Group('b.one#2', 2, tuple(slices))
    found = Trace((group,), {'b.two': 'why', 'c': 'not'}, {'b.one': 3, 'b.two': 4, 'a': 1})
    found = joined(found, {'b.one': 'b', 'b.two': 'b'})
    assert [part.layer for part in found.groups[0].slices] == ['a', 'b']
    assert found.groups[0].name == 'b#2' and found.unprunable == {'b': 'why', 'c': 'not'}
    assert found.shapes == {'b': 7, 'a': 1}
