"""The published schedules of other methods: what they remove is what the papers print."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from mmrobustprune.cost.model import CostModel
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.recipes.methods import METHODS
from mmrobustprune.registry import MODELS
from mmrobustprune.scores import build_score
from mmrobustprune.surgery import trace

CONFIGS = Path(__file__).parents[2] / 'configs' / 'methods'
PATHS = sorted(CONFIGS.glob('*.py'))


class Classifier(nn.Module):
    def __init__(self, backbone, width):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.backbone(x)[0].mean((2, 3)))


def recipe_of(path):
    return Config.fromfile(path).get('robust_prune')


def test_every_method_with_a_schedule_of_its_own_has_it_as_a_config():
    recipes = {recipe.recipe for recipe in map(recipe_of, PATHS) if recipe}
    assert recipes == METHODS.keys() - {'group_hessian'}


@pytest.mark.parametrize('name, length', [('hrank', 840), ('greg1-p50', 389), ('greg2-p50', 415)])
def test_phases_end_where_the_learning_rate_is_set_anew(name, length):
    config = Config.fromfile(CONFIGS / f'resnet56_{name}_cifar10.py')
    steps = dict(epochs=1, iters=1 / 391)
    lengths = [one.length for one in build_recipe(config.robust_prune).phases() if one.length]
    ends = sum(int(text.split()[0]) * steps[text.split()[1]] for text in lengths)
    jump = config.param_scheduler[0 if name != 'hrank' else 1]
    last = jump.milestones[-1] / (391 if jump.get('by_epoch') is False else 1)
    assert ends == pytest.approx(last) and config.train_cfg.max_epochs == length


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, operations, parameters',
    [
        ('resnet56_l1norm-a', 0.104, 0.094),
        ('resnet56_l1norm-b', 0.276, 0.137),
        ('resnet110_l1norm-a', 0.159, 0.023),
        ('resnet110_l1norm-b', 0.386, 0.324),
        ('vgg16-bn_l1norm-a', 0.342, 0.643),  # 0.640 with the paper's one more linear layer
    ],
)
def test_l1norm_removes_what_its_paper_prints(name, operations, parameters):
    config = Config.fromfile(CONFIGS / f'{name}_cifar10.py')
    backbone = MODELS.build(config.model.backbone)
    model = Classifier(backbone, config.model.head.in_channels)
    recipe = build_recipe(config.robust_prune)
    found = trace(model, torch.randn(1, 3, 32, 32), ignore=recipe.ignore)
    groups = recipe.chosen(model, found.groups)
    cost = CostModel(model, groups, found.shapes)
    scores = build_score(recipe.score)(model, groups)
    removed = cost.removed(recipe.selection(model, cost).plan(scores, recipe.target))
    assert removed['macs'] == pytest.approx(operations, abs=6e-4)
    assert removed['params'] == pytest.approx(parameters, abs=6e-4)
