"""Filters that are zeroed for a moment."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.groups import full
from mmrobustprune.masks import RegrowingMaskSet
from mmrobustprune.surgery import certify, trace
from tests.support.networks import Residual

IMAGE = torch.randn(4, 3, 6, 6)


def setup():
    torch.manual_seed(0)
    model = Residual()
    nn.init.ones_(model.bn1.bias)  # behind a ReLU that is off, nothing grows
    found = trace(model, IMAGE)
    masks = RegrowingMaskSet(model, found.groups)
    masks.attach()
    return model, masks


def without(masks, **units):
    alive = full(masks.groups)
    for group, gone in units.items():
        alive[group][gone] = False
    return alive


def test_only_the_weights_of_filters_become_zero_and_they_learn_on():
    model, masks = setup()
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(IMAGE).square().sum().backward()
    optimizer.step()
    trained = copy.deepcopy(model.state_dict())
    masks.remove(without(masks, conv1=[1, 2]), optimizer)
    for name, value in model.state_dict().items():
        expected = trained[name].clone()
        if name == 'conv1.weight':
            expected[[1, 2]] = 0
        assert torch.equal(value, expected), name
    momentum = optimizer.state[model.conv1.weight]['momentum_buffer'][1]
    assert momentum.abs().sum() > 0
    assert masks.removed() == pytest.approx(2 / 10)
    assert all(mask.all() for mask in masks.candidates().values())
    model.zero_grad()
    model(IMAGE).square().sum().backward()
    assert (model.conv1.weight.grad[1] != 0).any()
    optimizer.step()
    assert (model.conv1.weight[1] != 0).any() and before.keys() == trained.keys()


def test_once_settled_they_are_zero_on_both_sides_and_can_be_removed():
    model, masks = setup()
    masks.remove(without(masks, conv1=[0], stem=[5]))
    assert (model.bn1.weight[0] != 0) and (model.conv2.weight[:, 0] != 0).any()
    masks.settle()
    assert model.bn1.weight[0] == 0 and (model.conv2.weight[:, 0] == 0).all()
    assert certify(masks, IMAGE) < 1e-10
    model(IMAGE).sum().backward()
    assert (model.conv1.weight.grad[0] == 0).all()


def test_a_resumed_run_knows_the_masks_and_keeps_what_has_grown():
    model, masks = setup()
    masks.remove(without(masks, conv1=[0]))
    state = masks.state_dict()
    with torch.no_grad():
        model.conv1.weight[0] = 1.0
    again = RegrowingMaskSet(model, masks.groups)
    again.load_state_dict(state)
    again.resume_model(model)
    assert (model.conv1.weight[0] == 1).all() and not again.alive['conv1'][0]
    with pytest.raises(ValueError, match='masks are of another model'):
        again.load_state_dict({})
