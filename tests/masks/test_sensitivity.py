"""What each group is worth to the loss."""

import pytest
import torch
from torch import nn

from mmrobustprune.masks.sensitivity import loss_weights
from mmrobustprune.surgery import trace

IMAGE = torch.ones(1, 3)


def network():
    """Two hidden layers of four ones, of which the sum of the outputs is the loss."""
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    return net


def test_weights_by_hand():
    """Equal units have shares 1/4 and 1/3 of what is left: R is (1/4)^1.25 and (7/12)^1.25.

    Told rises of 1 and 2 are a least squares weight of (R1 + 2 R2) / (R1^2 + R2^2).
    """
    net = network()
    groups = trace(net, IMAGE).groups
    rise = {0: 0.0, 1: 1.0, 2: 2.0}

    def loss(model):
        gone = [int((model[number].weight == 0).all(1).sum()) for number in (0, 2)]
        return rise[gone[0]] + 10 * rise[gone[1]]

    scores = {group.name: torch.ones(4) for group in groups}
    weights = loss_weights(net, groups, scores, loss)
    first = (1 / 4) ** 1.25
    second = (7 / 12) ** 1.25
    one = (first + 2 * second) / (first**2 + second**2)
    assert weights == {'0': pytest.approx(11 * one / 8), '2': pytest.approx(10 * one)}


def test_the_network_is_as_before():
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    groups = trace(net, IMAGE).groups
    scores = {group.name: torch.rand(4) for group in groups}
    loss_weights(net, groups, scores, lambda model: -model(IMAGE).sum().item())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_loss_that_tells_nothing_makes_groups_equal():
    net = network()
    groups = trace(net, IMAGE).groups
    scores = {group.name: torch.rand(4) for group in groups}
    assert loss_weights(net, groups, scores, lambda model: 3.0) == {'0': 1.0, '2': 1.0}


def test_a_group_without_which_the_loss_is_no_number_is_worth_as_much_as_any():
    net = network()
    groups = trace(net, IMAGE).groups

    def loss(model):
        if bool((model[0].weight == 0).any()):
            return float('nan')
        return float((model[2].weight == 0).any())

    weights = loss_weights(net, groups, {group.name: torch.ones(4) for group in groups}, loss)
    assert weights['0'] == weights['2'] > 0
