"""Layers that do not learn stay as they are, under every recipe, unless a field says otherwise."""

import json

import pytest
import torch
from mmengine.registry import RUNNERS
from torch import nn

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.pruning.frozen import frozen_groups, frozen_layers
from mmrobustprune.latency import Timing, measure
from tests.support.networks import Residual
from tests.support.searching import searched
from tests.support.tiny import classifier, pruned

FROZEN = ('backbone.conv1', 'backbone.layer1')
GROUPED = dict(recipe='sr_gkp', target=0.5, groups=4, search='greedy', measure=False)


def freezing(folder, recipe, **fields):
    """Stem and first stage of the backbone frozen, as mmdet's two-stage configs have it."""
    config = classifier(folder, epochs=3)
    if recipe == 'sr_gkp':
        config = pruned(config)
        config.robust_prune = dict(GROUPED, **fields)
    else:
        config = pruned(config, recipe=recipe, target=0.4, measure=False, **fields)
    config.model.backbone.update(frozen_stages=1, norm_eval=True)
    return config


def logged(runner):
    """Train; the lines of the log that tell of frozen layers."""
    lines = []
    runner.logger.info = lambda text, *rest: lines.append(str(text))
    runner.train()
    del runner.logger.info
    return [line for line in lines if 'frozen from the start' in line]


def layers(folder, side='out'):
    record = json.loads((folder / 'structure.json').read_text())['layers']
    return {name: one for name, one in record.items() if side in one or 'kept' in one}


@pytest.mark.parametrize('recipe', ['adasap', 'taylor', 'sr_gkp'])
def test_frozen_stages_stay_and_one_line_lists_them(tmp_path, recipe):
    lines = logged(RUNNERS.build(freezing(tmp_path, recipe)))
    assert len(lines) == 1 and 'backbone.conv1' in lines[0] and 'prune_frozen=True' in lines[0]
    pruned_layers = layers(tmp_path)
    assert pruned_layers and not [name for name in pruned_layers if name.startswith(FROZEN)]


@pytest.mark.parametrize(
    'recipe, fields',
    [('adasap', dict(scope='layer')), ('taylor', dict(scope='layer')), ('sr_gkp', {})],
)
def test_a_field_prunes_them_all_the_same(tmp_path, recipe, fields):
    assert not logged(RUNNERS.build(freezing(tmp_path, recipe, prune_frozen=True, **fields)))
    assert [name for name in layers(tmp_path) if name.startswith('backbone.layer1')]


def test_a_latency_budget_leaves_them_too(tmp_path, monkeypatch):
    """With made-up times, so that no load of the machine decides."""
    monkeypatch.setattr(measure, 'stopwatch', lambda *_: block_time)
    monkeypatch.setattr(measure, 'measure_whole', network_time)
    config = freezing(tmp_path, 'adasap_latency', round_to=2, min_keep=0)
    assert len(logged(RUNNERS.build(config))) == 1
    assert layers(tmp_path)
    assert not [name for name in layers(tmp_path) if name.startswith(FROZEN)]


def takes(ms):
    return Timing(ms, ms, ms, ms, 1)


def block_time(signature, inputs, outputs):
    return takes(1e-3 * inputs * outputs)


def network_time(model, *_, **__):
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    return takes(sum(1e-3 * layer.in_channels * layer.out_channels for layer in convolutions))


def test_a_search_gives_them_no_scores(tmp_path):
    config = searched(tmp_path, attack=None, epochs=3, perturb='none', measure=False)
    config.model.backbone.update(frozen_stages=1, norm_eval=True)
    assert len(logged(RUNNERS.build(config))) == 1
    kept = json.loads((tmp_path / 'sparsity.json').read_text())['kept']
    assert len(kept) == 16 and not [name for name in kept if name.startswith(FROZEN)]


def test_a_learning_rate_of_zero_freezes_as_well(tmp_path):
    config = pruned(classifier(tmp_path, epochs=3), recipe='magnitude', target=0.3, measure=False)
    config.optim_wrapper.paramwise_cfg = dict(custom_keys={'backbone.layer2': dict(lr_mult=0.0)})
    assert len(logged(RUNNERS.build(config))) == 1
    assert not [name for name in layers(tmp_path) if name.startswith('backbone.layer2')]


def test_what_learns_is_what_the_optimizer_moves():
    model = Residual()
    model.stem.requires_grad_(False)
    model.bn.requires_grad_(False)
    model.conv2.requires_grad_(False)
    still = dict(params=list(model.conv1.parameters()), lr=0.0)
    rest = dict(params=[*model.bn1.parameters(), *model.head.parameters()])
    optimizer = torch.optim.SGD([still, rest], lr=0.1)
    groups = trace(model, torch.randn(2, 3, 5, 5)).groups
    assert frozen_layers(model, optimizer) == ['stem', 'conv1', 'conv2']
    found = frozen_groups(model, groups, optimizer)
    assert [group.name for group in found] == ['stem']  # conv1's units have a norm that learns


def test_a_parametrised_layer_learns_by_what_is_behind_it():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    assert frozen_layers(model, optimizer) == ['1']
