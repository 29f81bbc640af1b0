"""What each budget's name means: the selection that decides, and what is measured at the end.

`mixed()` has two groups of 4 units, '0' before and '3' after a pooling of 4 x 4 pixels: with a and
b units left there are 1 a + a b + b weights and 16 a + a b + b multiplications.
"""

import copy

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward
from mmrobustprune.engine.gradual.budget import BUDGETS, CountBudget, LatencyBudget, budget_of
from mmrobustprune.engine.gradual.setting import Setting
from mmrobustprune.latency import LatencySelection
from mmrobustprune.masks import MaskSet, RankedSelection
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.recipes.gradual import AdaSAPLatencyRecipe, Recipe
from mmrobustprune.structure.rebuild import rebuild

IMAGE = torch.ones(1, 1, 4, 4)
SCORES = {'0': torch.tensor([1.0, 2.0, 3.0, 4.0]), '3': torch.tensor([10.0, 1.0, 20.0, 30.0])}


def mixed():
    return nn.Sequential(
        nn.Conv2d(1, 4, 1, bias=False),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(4, 4, bias=False),
        nn.Linear(4, 1, bias=False),
    )


def recipe_of(budget, **fields):
    return build_recipe(dict(dict(recipe='magnitude', target=0.5, budget=budget), **fields))


def selection_of(budget, **fields):
    model = mixed()
    return budget_of(recipe_of(budget, **fields)).selection(model, trace(model, IMAGE), Setting())


def test_every_budget_of_a_recipe_has_a_meaning():
    assert set(BUDGETS) == {*Recipe.budgets, *AdaSAPLatencyRecipe.budgets}
    for name in Recipe.budgets:
        budget = budget_of(recipe_of(name))
        assert type(budget) is CountBudget and not budget.needs_dense_network
    latency = budget_of(build_recipe(dict(recipe='adasap_latency', target=0.5)))
    assert type(latency) is LatencyBudget and latency.needs_dense_network


@pytest.mark.parametrize(
    'budget, target, left, removed',
    [
        ('channels', 0.5, (2, 2), 4 / 8),
        ('params', 0.54, (3, 2), 1 - (3 + 6 + 2) / 24),
        ('macs', 0.54, (2, 2), 1 - (32 + 4 + 2) / 84),
    ],
)
def test_units_go_until_the_budget_is_met(budget, target, left, removed):
    """Over their means (2.5 and 15.25) the order is 3.1, 0.0, 3.0, 0.1."""
    selection = selection_of(budget)
    assert type(selection) is RankedSelection
    alive = selection.plan(SCORES, target)
    assert tuple(int(alive[name].sum()) for name in ('0', '3')) == left
    assert selection.removed(alive) == pytest.approx({budget: removed})
    assert alive['3'].tolist() == [False, False, True, True]


def test_the_recipes_fields_reach_the_selection():
    """At least half of four units stays; in steps of two that is so anyway."""
    selection = selection_of('channels', min_keep=0.5, round_to=2, scope='layer')
    assert (selection.scope, selection.round_to) == ('layer', 2)
    assert selection.most() == 0.5
    with pytest.raises(ValueError, match='the nearest feasible value is 0.5000'):
        selection.check(0.6)
    assert selection_of('channels', min_keep=0.0, round_to=2).most() == 0.5
    assert selection_of('channels', min_keep=0.0).most() == 6 / 8


@pytest.mark.parametrize('name', Recipe.budgets)
def test_counts_need_no_measurement(name):
    model = mixed()
    budget = budget_of(recipe_of(name))
    selection = budget.selection(model, trace(model, IMAGE), Setting())
    assert budget.measured(selection, {}, None, model, Setting()) == {}


# --- latency --------------------------------------------------------------------------------------


def lenet():
    """LeNet-5 of 32 x 32 pixels: 416,520 multiplications."""
    init_default_scope('mmpretrain')
    backbone = dict(type='LeNet5', num_classes=10)
    return MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=dict(type='ClsHead')))


def test_a_latency_is_chosen_by_a_table_and_measured_at_the_end(tmp_path):
    """Half of the first 6 channels: 117,600 + 240,000 become half, 58,920 stay."""
    model = lenet().eval()
    recipe = build_recipe(
        dict(recipe='adasap_latency', target=0.1, round_to=3, min_keep=0.0, seconds=20.0)
    )
    setting = Setting(example_of_shape(model, 32, 32), tensor_forward, work_dir=str(tmp_path))
    ignore = ('backbone.features.6', 'backbone.classifier')  # fewer sizes to measure
    found = trace(model, setting.example, setting.forward, ignore)
    budget = budget_of(recipe)
    selection = budget.selection(model, found, setting)
    assert type(selection) is LatencySelection
    assert (selection.round_to, selection.min_keep, selection.normalise) == (3, 0.0, 'none')
    assert (tmp_path / 'latency_table.json').is_file()
    assert list(selection.sizes()['backbone.features.0']) == [3, 6]

    dense = copy.deepcopy(model)
    masks = MaskSet(model, found.groups)
    masks.remove({'backbone.features.0': torch.arange(6) % 2 == 0})
    rebuild(model, masks.structure('by hand'))
    measured = budget.measured(selection, masks.alive, dense, model, setting)
    assert measured['macs_ratio'] == (357_600 + 58_920) / (178_800 + 58_920)
    assert measured['latency_dense_predicted'] == selection.cost.dense
    assert measured['latency_predicted'] == selection.cost.predict(masks.alive)
    assert measured['latency_measured'] > 0
    assert measured['speed_up'] == measured['latency_dense'] / measured['latency_measured']


def test_limits_by_pattern_reach_the_selection():
    rule = selection_of('channels', ratios={'0': 0.25}, min_keep=0)
    assert rule.limits == {'0': 0.25}
    kept = rule.plan({'0': SCORES['0'] / 100, '3': SCORES['3']}, 0.5)
    assert [int(kept[name].sum()) for name in ('0', '3')] == [3, 1]
