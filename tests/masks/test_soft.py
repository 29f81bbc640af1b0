"""Units that come back."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import full
from mmrobustprune.masks import MaskSet, RankedSelection, SoftMaskSet
from mmrobustprune.scores import Magnitude
from mmrobustprune.surgery import trace
from tests.support.networks import Between, Residual

IMAGE = torch.randn(4, 3, 6, 6)


def setup():
    torch.manual_seed(0)
    model = Residual()
    found = trace(model, IMAGE)
    return model, found, SoftMaskSet(model, found.groups)


def without(masks, **units):
    """Every unit of the groups but those named."""
    alive = full(masks.groups)
    for group, gone in units.items():
        alive[group][gone] = False
    return alive


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_unit_that_comes_back_has_the_weights_it_had():
    model, _, masks = setup()
    dense = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(IMAGE).square().sum().backward()
    optimizer.step()
    trained = copy.deepcopy(model)
    masks.attach()
    masks.remove(without(masks, stem=[1, 4], conv1=[1]), optimizer)
    assert (model.stem.weight[[1, 4]] == 0).all() and not same(model, trained)
    masks.remove(without(masks, stem=[4]), optimizer)
    assert torch.equal(model.stem.weight[:4], trained.stem.weight[:4])
    assert torch.equal(model.conv1.weight[:, :4], trained.conv1.weight[:, :4])
    assert (optimizer.state[model.stem.weight]['momentum_buffer'][1] == 0).all()
    masks.remove(full(masks.groups), optimizer)
    assert same(model, trained) and not same(model, dense)
    assert masks.structure('soft').layers == {}


def test_an_entry_between_two_units_comes_back_with_the_last_of_them():
    """conv1 reads unit 1 of the stem and makes its own unit 1: the entry between them."""
    model, _, masks = setup()
    was = model.conv1.weight[1, 1].clone()
    masks.remove(without(masks, stem=[1], conv1=[1]))
    masks.remove(without(masks, conv1=[1]))
    assert (model.conv1.weight[1, 1] == 0).all()
    masks.remove(full(masks.groups))
    assert torch.equal(model.conv1.weight[1, 1], was)


def test_a_score_ranks_removed_units_while_all_are_revived():
    model, found, masks = setup()
    dense = Magnitude()(model, found.groups)['stem']
    masks.remove(without(masks, stem=[0]))
    zeroed = copy.deepcopy(model)
    assert Magnitude()(model, found.groups)['stem'][0] == 0
    with masks.revived():
        assert torch.equal(Magnitude()(model, found.groups)['stem'], dense)
    assert same(model, zeroed)


def test_a_selection_brings_back_what_has_become_the_better_choice():
    model, found, masks = setup()
    cost = CostModel(model, found.groups, found.shapes)
    rule = RankedSelection(cost, 'channels', normalise='none', min_keep=0)
    scores = {group.name: torch.arange(group.units) + 1.0 for group in found.groups}
    first = rule.plan(scores, 0.2)
    masks.remove(first)
    fresh = {name: -score for name, score in scores.items()}
    hard = rule.step(fresh, 0.2, masks.alive, 1, 1)
    soft = rule.step(fresh, 0.2, masks.alive, 1, 1, candidates=full(found.groups))
    assert not any((hard[name] & ~first[name]).any() for name in hard)
    assert (soft['stem'] & ~first['stem']).any()
    assert cost.removed(soft)['channels'] == pytest.approx(0.2)
    with pytest.raises(ValueError, match="units of 'stem' were removed already"):
        hard_masks = MaskSet(copy.deepcopy(model), found.groups)
        hard_masks.remove(first)
        hard_masks.remove(soft)
    masks.remove(soft)
    assert masks.alive['stem'].tolist() == soft['stem'].tolist()


def test_state_dict_there_and_back():
    model, found, masks = setup()
    dense = copy.deepcopy(model)
    masks.remove(without(masks, stem=[1], conv1=[0]))
    resumed = copy.deepcopy(model)  # zeros, as in a checkpoint
    again = SoftMaskSet(resumed, found.groups)
    again.load_state_dict(masks.state_dict())
    assert torch.equal(again.alive['stem'], masks.alive['stem'])
    again.remove(full(found.groups))
    assert same(resumed, dense)


def test_a_norm_counts_units_that_came_back():
    torch.manual_seed(0)
    model = Between(nn.GroupNorm(2, 8))
    dense = model(IMAGE)
    masks = SoftMaskSet(model, trace(model, IMAGE).groups)
    masks.remove({'first': torch.arange(4) > 0})
    first = model(IMAGE)
    masks.remove({'first': torch.arange(4) < 3})
    second = model(IMAGE)
    with masks.revived():
        assert model.first.weight.any()
    assert torch.equal(model(IMAGE), second) and not torch.allclose(first, second)
    masks.remove(full(masks.groups))
    assert torch.equal(model(IMAGE), dense) and not model.middle._forward_hooks
