"""Penalties on the scales of BatchNorm."""

import pytest
import torch
from torch import nn

from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.surgery import trace

IMAGE = torch.randn(2, 1, 3, 3)


def net():
    """Two batch normalisations with scales (1 -2 3) and (0.5 0)."""
    model = nn.Sequential(
        nn.Conv2d(1, 3, 1),
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 2, 1),
        nn.BatchNorm2d(2),
        nn.Conv2d(2, 1, 1),
    )
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1.0, -2, 3]))
        model[3].weight.copy_(torch.tensor([0.5, 0]))
    return model, trace(model, IMAGE).groups


def first(name, **fields):
    return build_recipe(dict(recipe=name, target=0.5, **fields)).phases()[0]


def test_slimming_adds_the_sum_of_the_scales():
    model, groups = net()
    loss = first('slimming', strength=0.1).penalty(model, groups, 0.5)
    assert float(loss) == pytest.approx(0.1 * 6.5)
    loss.backward()
    assert model[1].weight.grad.tolist() == pytest.approx([0.1, -0.1, 0.1])
    assert model[3].weight.grad.tolist() == pytest.approx([0.1, 0.0])
    assert model[0].weight.grad is None


def test_polarisation_pulls_the_scales_apart():
    """The mean is .5, the distances .5, 2.5, 2.5, 0, .5: .1 (1.2 6.5 - 6)."""
    model, groups = net()
    loss = first('polarisation', strength=0.1).penalty(model, groups, 0.0)
    assert float(loss) == pytest.approx(0.1 * (1.2 * 6.5 - 6.0))


def test_polarised_scales_stay_within_their_bounds():
    model, groups = net()
    first('polarisation', most=2.0).after_step(model, groups)
    assert model[1].weight.tolist() == [1, 0, 2] and model[3].weight.tolist() == [0.5, 0]
    assert first('slimming').after_step is None


def test_the_scales_of_the_whole_network_compete():
    recipe = build_recipe(dict(recipe='slimming', target=0.5))
    assert (recipe.score, recipe.scope, recipe.budget) == (
        dict(type='BNScale'),
        'network',
        'channels',
    )
    assert [one.name for one in recipe.phases()] == ['sparsify', 'prune', 'finetune']
