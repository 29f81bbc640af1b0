"""Each recipe of the papers goes through all its phases in ten iterations, on generated images."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS
from torch.nn import Conv2d

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from mmrobustprune.latency import Timing, measure
from mmrobustprune.recipes.spelled import spelled_out
from tests.support.tiny import classifier, pruned

CONFIGS = Path(__file__).parents[2] / 'configs' / 'adasap'
SHORT = dict(warmup='3 iters', rounds=3, interval=1, target=0.5, recalibrate='8 images')
RECIPES = [
    'resnet50_8xb128-magnitude-p60_in1k',
    'resnet50_8xb128-taylor-p60_in1k',
    'resnet50_8xb128-sam-p60_in1k',
    'resnet50_8xb128-asam-p60_in1k',
    'resnet50_8xb128-adasap-p60_in1k',
    'resnet50_8xb128-adasap-sam-p60_in1k',
    'resnet50_8xb128-adasap-sam-taylor-p58_in1k',
    'resnet50_8xb128-adasap-sam-c32_in1k',
    'resnet50_8xb128-adasap-sam-p80-finetune-sgd_in1k',
    'resnet50_8xb128-adasap-sam-p80-finetune-adasap_in1k',
    'resnet50_8xb128-adasap-latency-2x_in1k',
    'mobilenet-v1_8xb128-adasap-sam-latency-1.70x_in1k',
    'mobilenet-v1_8xb128-halp-latency-1.70x_in1k',
]


def recipe_of(name):
    return Config.fromfile(CONFIGS / f'{name}.py').robust_prune.to_dict()


def takes(ms):
    return Timing(ms, ms, ms, ms, 1)


def product_of_widths(signature, inputs, outputs):
    """A made-up time, so that no load of the machine decides."""
    return takes(1e-3 * inputs * outputs)


def sum_of_layers(model, *_, **__):
    layers = [layer for layer in model.modules() if isinstance(layer, Conv2d)]
    return takes(sum(1e-3 * layer.in_channels * layer.out_channels for layer in layers))


@pytest.mark.slow
@pytest.mark.parametrize('name', RECIPES)
def test_a_recipe_goes_through_all_its_phases(tmp_path, monkeypatch, name):
    recipe = recipe_of(name) | SHORT
    if recipe['recipe'] == 'adasap_latency':
        recipe.update(batch=2, round_to=2)
        monkeypatch.setattr(measure, 'stopwatch', lambda *_: product_of_widths)
        monkeypatch.setattr(measure, 'measure_whole', sum_of_layers)
    config = pruned(classifier(tmp_path, epochs=2), **recipe)
    config.train_dataloader.dataset.length = 40  # five batches of eight, twice
    config.work_dir = str(tmp_path)
    runner = RUNNERS.build(config)
    dense = sum(parameter.numel() for parameter in runner.model.parameters())
    rules = []

    def noted(step):
        def train_step(*args, **kwargs):
            rules.append(runner.optim_wrapper.rule)
            return step(*args, **kwargs)

        return train_step

    runner.model.train_step = noted(runner.model.train_step)
    runner.train()
    assert runner.iter == len(rules) == 10
    for place, field in ((0, 'rule'), (4, 'rule'), (9, 'finetune_rule')):
        found = type(rules[place]).__name__ if rules[place] else None
        assert found == spelled_out(recipe).get(f'{field}.type'), (place, field)
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    assert [one['round'] for one in rounds] == [1, 2, 3]
    assert sum(parameter.numel() for parameter in runner.model.parameters()) < dense
    assert (tmp_path / 'pruned.pth').exists()


@pytest.mark.slow
def test_every_kind_of_recipe_is_among_them():
    """By everything but how much goes and how long it takes."""

    def kind(name):
        said = spelled_out(recipe_of(name) | SHORT)
        return tuple(sorted((key, str(value)) for key, value in said.items()))

    ours = {kind(name) for name in RECIPES}
    names = [path.stem for path in sorted(CONFIGS.glob('resnet50_8xb128-*_in1k.py'))]
    others = {name for name in names if '90e' not in name and kind(name) not in ours}
    assert others == set()
