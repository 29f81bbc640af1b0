"""A network without some units, and then with them again."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.masks import MaskSet
from mmrobustprune.masks.without import without
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import trace
from tests.support.networks import Residual
from tests.support.resnets import settle


def test_it_computes_what_the_smaller_network_does_and_comes_back():
    torch.manual_seed(0)
    model = settle(Residual())
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    before = copy.deepcopy(model.state_dict())
    for group in trace(model, image).groups:
        gone = torch.arange(group.units) < 2
        twin = copy.deepcopy(model)
        masks = MaskSet(copy.deepcopy(model), [group])
        masks.remove({group.name: ~gone})
        rebuild(twin, masks.structure('test'))
        with torch.no_grad(), without(model, group, gone):
            assert (model(image) - twin(image)).abs().max() < 1e-10
        assert all(map(torch.equal, model.state_dict().values(), before.values()))


def test_weights_come_back_after_an_error():
    model = Residual()
    (group, _) = trace(model, torch.randn(1, 3, 8, 8)).groups
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(KeyError), without(model, group, torch.arange(group.units) < 3):
        assert not torch.equal(model.stem.weight, before['stem.weight'])
        raise KeyError
    assert all(map(torch.equal, model.state_dict().values(), before.values()))


def test_norms_across_channels_count_all_of_them_afterwards():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.Conv2d(8, 2, 1))
    image = torch.randn(2, 3, 4, 4)
    (group,) = trace(model, image).groups
    before = model(image)
    with without(model, group, torch.arange(group.units) < 1):
        assert not torch.equal(model(image), before)
    assert torch.equal(model(image), before) and not model[1]._forward_hooks
