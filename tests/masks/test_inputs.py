"""Weights that learn on while nothing reads by them."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.groups import full
from mmrobustprune.masks import InputMaskSet
from mmrobustprune.scores import InputTaylor
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import certify, trace
from tests.support.networks import Between, Residual


def chain():
    """x -> (x, 2x, 3x) -> their sum weighted by 1, 2, 3."""
    model = nn.Sequential(nn.Linear(1, 3, bias=False), nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        model[1].weight.copy_(torch.tensor([[1.0, 2.0, 3.0]]))
    return model, trace(model, torch.ones(1, 1)).groups


def without(groups, *units):
    alive = full(groups)
    alive[groups[0].name][list(units)] = False
    return alive


def step(model, optimizer):
    optimizer.zero_grad()
    model(torch.ones(1, 1)).sum().backward()
    optimizer.step()


def test_hidden_weights_learn_on_and_come_back_as_what_they_became():
    """The gradient of the second layer is (1, 2, 3) whatever is hidden; at first 1 + 4 + 9."""
    model, groups = chain()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.5)
    masks = InputMaskSet(model, groups)
    masks.attach(optimizer)
    masks.remove(without(groups, 1), optimizer)
    assert model(torch.ones(1, 1)).item() == 10.0
    assert model[1].weight.tolist() == [[1.0, 0.0, 3.0]]
    step(model, optimizer)
    assert torch.allclose(model[1].weight, torch.tensor([[0.9, 0.0, 2.7]]))
    assert torch.allclose(model[0].weight, torch.tensor([[0.9], [2.0], [2.7]]))  # nobody reads 2
    with masks.revived():
        assert torch.allclose(model[1].weight, torch.tensor([[0.9, 1.8, 2.7]]))
    assert model[1].weight[0, 1] == 0
    step(model, optimizer)  # by .1 of (.9, 2, 2.7) + half of (1, 2, 3)
    assert torch.allclose(model[1].weight, torch.tensor([[0.76, 0.0, 2.28]]))
    masks.remove(without(groups, 0), optimizer)
    assert torch.allclose(model[1].weight, torch.tensor([[0.0, 1.5, 2.28]]))
    assert masks.candidates()[groups[0].name].all()


def test_the_score_is_of_what_hidden_weights_have_become():
    """|w g| of what is read: 1, 4 and 9 times .9, and 4 of the hidden one."""
    model, groups = chain()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    masks = InputMaskSet(model, groups)
    masks.attach(optimizer)
    score = InputTaylor()
    score.watch(model, optimizer, groups)
    masks.remove(without(groups, 1), optimizer)
    step(model, optimizer)
    assert score(model, groups)[groups[0].name].tolist() == [1.0, 4.0, 9.0]


@pytest.mark.parametrize('network', [Residual, lambda: Between(nn.GroupNorm(2, 8))])
def test_hidden_is_removed_and_so_is_settled(network):
    torch.manual_seed(0)
    image = torch.randn(4, 3, 6, 6, dtype=torch.double)
    model = network().double()
    groups = trace(model, image).groups
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    masks = InputMaskSet(model, groups)
    masks.attach(optimizer)
    for gone in (0, 1, 1):
        alive = {group.name: torch.arange(group.units) != gone for group in groups}
        masks.remove(alive, optimizer)
        model(image).square().mean().backward()
        optimizer.step()
        plain = copy.deepcopy(model).eval()
        small = rebuild(copy.deepcopy(plain), masks.structure('small')).eval()
        assert torch.allclose(plain(image), small(image), atol=1e-10, rtol=0)
    masks.settle(optimizer)
    assert certify(masks, image) < 1e-10
    assert all(
        not value[1].any() for name, value in model.named_parameters() if name[:5] == 'conv1'
    )
    model(image).square().mean().backward()
    optimizer.step()
    assert certify(masks, image) < 1e-10


def test_state_dict_there_and_back():
    model, groups = chain()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    masks = InputMaskSet(model, groups)
    masks.attach(optimizer)
    masks.remove(without(groups, 1), optimizer)
    step(model, optimizer)
    resumed = copy.deepcopy(model)
    again = InputMaskSet(resumed, groups)
    again.load_state_dict(masks.state_dict())
    assert torch.equal(resumed[1].weight, model[1].weight)
    again.remove(full(groups))
    assert torch.allclose(resumed[1].weight, torch.tensor([[0.9, 1.8, 2.7]]))
    with pytest.raises(ValueError, match='masks are of another model'):
        again.load_state_dict(dict(alive={}, aside={}))
