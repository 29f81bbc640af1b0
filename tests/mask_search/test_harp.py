"""Learned layer rates: bounds, gradients, penalty, constraint; and input channels."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from mmrobustprune.mask_search import HARP, HYDRA
from tests.mask_search.nets import LAYERS, batch, harp, search, small


def set_rates(network, value):
    with torch.no_grad():
        for layer in network.layers.values():
            layer.logit.fill_(network._rates.logit(value))


def test_at_the_target_the_first_masks_are_hydras():
    _, ours = harp(start=0.2)
    theirs = HYDRA(0.8).attach(small())
    differing = sum(
        int((a != b).sum())
        for a, b in zip(ours.masks().values(), theirs.masks().values(), strict=True)
    )
    assert differing <= len(LAYERS)  # a rate is a float and may round to one more
    assert ours.meets_target() and float(ours.excess().detach()) < 1e-6


def test_rates_stay_inside_their_bounds_and_masks_follow_them():
    _, network = harp(floor=0.1)
    for logit, expected in ((-60.0, 0.02), (0.0, 0.51), (60.0, 1.0)):
        with torch.no_grad():
            network.layers['fc'].logit.fill_(logit)
        assert float(network._rates.values()[-1].detach()) == pytest.approx(expected)
        kept = 48 - math.floor((1 - expected) * 48)
        assert network.kept()['fc'] == kept == int(network.masks()['fc'].sum())


def test_the_gradient_of_a_rate_is_the_sum_over_all_entries():
    model, network = harp(target=0.5)
    x, y = batch()
    layer, weight = network.layers['two.conv1'], network.weights()['two.conv1'].requires_grad_()
    cross_entropy(model(x), y).backward()
    k_min = 0.05
    sigma = layer.logit.detach().sigmoid()
    # dL/ds = sign(s) w G for all entries, so sum(w G) is sum(sign(s) dL/ds)
    by_rate = (layer.scores.grad * layer.scores.detach().sign()).sum()
    torch.testing.assert_close(layer.logit.grad, by_rate * (1 - k_min) * sigma * (1 - sigma))
    assert weight.grad[~layer.hard].eq(0).all()


def test_penalty_by_hand_growing_and_held():
    _, network = harp(target=0.8, start=0.4, growth=0.5)
    excess = sum(network.kept().values()) / sum(HYDRA(0.8).attach(small()).kept().values()) - 1
    assert excess == pytest.approx(0.4 / 0.2 - 1, rel=0.01)
    assert float(network.penalty().detach()) == pytest.approx(0.5 * excess, rel=1e-5)
    network.begin_epoch(3)
    assert float(network.penalty().detach()) == pytest.approx(4 * 0.5 * excess, rel=1e-5)
    network.end_epoch()
    network.begin_epoch(4)
    assert network.state_dict() == dict(strength=2.5, frozen=False) and not network.meets_target()
    set_rates(network, 0.19)
    network.end_epoch()
    network.begin_epoch(5)
    assert (
        network.state_dict() == dict(strength=2.5, frozen=True)
        and float(network.penalty().detach()) == 0
    )
    assert network.meets_target()
    set_rates(network, 0.4)  # the constraint is judged anew, the strength is not
    assert not network.meets_target()
    other = harp(target=0.8, start=0.4, growth=0.5)[1]
    other.load_state_dict(network.state_dict())
    other.begin_epoch(9)
    assert float(other.penalty().detach()) == pytest.approx(2.5 * excess, rel=1e-5)


def test_nothing_pulls_at_rates_that_meet_the_target_exactly():
    _, network = harp(target=0.8)
    assert float(network.excess().detach()) == 0 and network.meets_target()
    network.penalty().backward()
    assert all(float(layer.logit.grad) == 0 for layer in network.layers.values())


def test_a_search_brings_the_rates_down_to_the_target():
    model, network = harp(target=0.7, start=0.9, growth=2.0)
    assert not network.meets_target()
    for epoch in range(6):
        network.begin_epoch(epoch)
        search(model, network, 6)
        network.end_epoch()
    assert network.meets_target() and len({round(rate, 3) for rate in network.rates().values()}) > 3


def test_given_rates():
    given = dict.fromkeys(LAYERS, 0.3) | {'fc': 1.0}
    _, network = harp(strategy=given)
    assert network.rates()['fc'] > 0.97 and network.rates()['two.conv2'] == pytest.approx(
        0.3, abs=1e-3
    )
    with pytest.raises(ValueError, match="every layer a rate in .0.02, 1., and 'fc' has none"):
        harp(strategy={name: 0.3 for name in LAYERS[:-1]})
    with pytest.raises(ValueError, match=r'first rates come to 0.5\d* of what the target allows'):
        harp(strategy=dict.fromkeys(LAYERS, 0.1))


@pytest.mark.parametrize(
    'fields, words',
    [
        (dict(start=0.1), r'start=0.1 is not in \[0.2, 1\]; below the target nothing'),
        (dict(form='kernel'), "form='kernel' is not allowed"),
        (dict(strategy='best'), "strategy='best' is not one of uniform"),
        (dict(floor=0), 'floor=0 is not in'),
        (dict(growth=0), 'growth=0 is not a number > 0'),
    ],
)
def test_fields_out_of_range(fields, words):
    with pytest.raises(ValueError, match=words):
        HARP(0.8, **fields)


def test_the_default_start_is_never_below_the_target():
    assert harp(0.8)[1].ratio() == pytest.approx(0.8, abs=0.01)
    assert harp(0.95)[1].ratio() == pytest.approx(0.9, abs=0.01)
