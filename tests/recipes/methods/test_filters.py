"""Filters that compete in their layer; L1Norm-A and -B."""

import pytest
import torch
from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.scores import build_score
from mmrobustprune.surgery import trace
from tests.support.networks import Residual

IMAGE = torch.randn(2, 3, 6, 6)


def kept(model, image, **fields):
    """Units that stay in each group under the l1norm recipe."""
    recipe = build_recipe(dict(recipe='l1norm', **fields))
    found = trace(model, image, ignore=recipe.ignore)
    groups = recipe.chosen(model, found.groups)
    selection = recipe.selection(model, CostModel(model, groups, found.shapes))
    selection.admit(recipe.target)
    scores = build_score(recipe.score)(model, groups)
    alive = selection.step(
        scores, recipe.target, {g.name: torch.ones(g.units) > 0 for g in groups}, 1, 1
    )
    return {name: mask.int().tolist() for name, mask in alive.items()}


def chain():
    """Filters of L1 norm 4, 1, 3, 2 and 1, 2."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 1, bias=False), nn.Conv2d(4, 2, 1, bias=False), nn.Conv2d(2, 1, 1)
    )
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([4.0, -1.0, 3.0, 2.0]).view(4, 1, 1, 1))
        model[1].weight.copy_(torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 1]]).view(2, 4, 1, 1))
        model[2].weight.fill_(100.0)  # what is read of them does not count
    return model


ONE = torch.ones(1, 1, 2, 2)


def test_a_takes_one_rate_and_b_a_rate_of_each_stage():
    assert kept(chain(), ONE, rates={'0': 0.5, '1': 0.5}) == {'0': [1, 0, 1, 0], '1': [0, 1]}
    assert kept(chain(), ONE, rates={'0': 0.25, '1': 0.5}) == {'0': [1, 0, 1, 1], '1': [0, 1]}
    assert kept(chain(), ONE, rates={'0': 0.75}) == {'0': [1, 0, 0, 0], '1': [1, 1]}
    assert kept(chain(), ONE, rates={'0': 0.5}, ignore='1') == {'0': [1, 0, 1, 0]}


def test_a_target_multiplies_the_rates():
    """Six of 16 units at rates of 2 : 1 are four of the first layer and two of the second."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 1, 1))
    for rates, left in (({'0': 0.2, '1': 0.1}, (4, 6)), ({}, (5, 5)), ({'1': 0.1}, (8, 2))):
        found = kept(model, ONE, rates=rates, target=6 / 16, budget='channels')
        assert (sum(found['0']), sum(found['1'])) == left


def test_layers_that_a_sum_ties_together_are_left_out_unless_they_are_asked_for():
    assert kept(Residual(), IMAGE, target=0.5, budget='channels').keys() == {'conv1'}
    both = kept(Residual(), IMAGE, target=0.5, budget='channels', coupled=True)
    assert {name: sum(mask) for name, mask in both.items()} == {'stem': 3, 'conv1': 2}


def test_it_happens_before_the_first_step():
    warmup, prune, _ = build_recipe(dict(recipe='l1norm', target=0.5)).phases()
    assert (warmup.length, prune.length, prune.rounds) == (0, 0, 1)


@pytest.mark.parametrize(
    'fields, message',
    [
        (dict(), 'neither target nor rates'),
        (dict(target=1.5), r'not in \(0, 1\)'),
        (dict(rates={'0': 2}), 'no fraction in'),
        (dict(rates={'9': 0.5}), 'rates: pattern .9. matches no layer'),
    ],
)
def test_mistakes_are_said_in_one_sentence(fields, message):
    with pytest.raises(ValueError, match=message):
        kept(chain(), ONE, **fields)
