"""Costs of several checkpoints side by side."""

import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.config import Config

from mmrobustprune.engine.analysis import compare, latency
from mmrobustprune.engine.analysis.compare import measure
from mmrobustprune.surgery import GroupedKernelConv2d, prune_grouped_kernels
from tests.support import forwards  # noqa: F401
from tests.support.classifier import write_config, write_pictures, write_weights

# ResNet-8 of 16, 32, 64 channels on 32x32 pixels: (kernel area, in, out, positions) by layer
LAYERS = [
    (9, 3, 16, 1024),
    (9, 16, 16, 1024),
    (9, 16, 16, 1024),
    (9, 16, 32, 256),
    (9, 32, 32, 256),
    (9, 32, 64, 64),
    (9, 64, 64, 64),
    (1, 64, 5, 1),
]


def test_parameters_and_macs_are_those_of_the_layers(tmp_path):
    config = write_config(tmp_path, write_pictures(tmp_path / 'data', 5))
    checkpoint, model = write_weights(config, tmp_path / 'small.pth')
    found = measure({'a': (config, checkpoint), 'b': (config, checkpoint)}, size=(32, 32))
    cost, row = found['a']
    learnt = sum(one.numel() for one in model.parameters() if one.requires_grad)
    assert row['params'] == cost.params == learnt
    assert row['macs'] == sum(area * into * out * at for area, into, out, at in LAYERS)
    assert row['input'] == (32, 32) and row['latency'] == row['timing']['median_ms'] > 0
    assert found['b'][1]['macs'] == row['macs']


def test_grouped_kernels_are_timed_as_they_are_deployed(tmp_path, monkeypatch):
    """Each layer in its faster form, by both tools; what is counted is the pruned network."""
    config = write_config(tmp_path, write_pictures(tmp_path / 'data', 5))
    checkpoint, model = write_weights(config, tmp_path / 'small.pth')
    structure = prune_grouped_kernels(model, 0.5, 8, search='l2')
    pruned = tmp_path / 'pruned.pth'
    meta = dict(mmrobustprune=dict(structure=structure.to_dict()))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), pruned)
    timed = []

    def stopwatch(calls, *_, **__):
        timed.append(
            [
                sum(isinstance(one, GroupedKernelConv2d) for one in call.args[0].modules())
                for call in calls.values()
            ]
        )
        return {name: dict(median_ms=1.0, device='') for name in calls}

    for room in (compare, latency):
        monkeypatch.setattr(room, 'latency', stopwatch)
    rows = measure({'dense': (config, checkpoint), 'gkp': (config, pruned)}, (32, 32))
    options = latency.LatencyOptions((32, 32), threads=1, device='cpu')
    found = latency.measure_latency(config, pruned, tmp_path, options)['networks']
    half = sum(area * into * out * at for area, into, out, at in LAYERS[1:-1]) // 2
    for dense, gkp in ((rows['dense'][1], rows['gkp'][1]), (found['dense'], found['pruned'])):
        assert 'forms' not in dense and dense['macs'] - gkp['macs'] == half
        assert len(gkp['forms']) == 6 and set(gkp['forms'].values()) <= {'grouped', 'dense'}
    grouped = [
        [*row['forms'].values()].count('grouped') for row in (rows['gkp'][1], found['pruned'])
    ]
    assert timed == [[0, count] for count in grouped]


def test_what_has_no_forward_of_its_own_is_called_by_the_named_one(tmp_path):
    """By the config, or by who asks; a function that is not there is refused."""
    file = write_config(tmp_path, write_pictures(tmp_path / 'data', 5))
    checkpoint, _ = write_weights(file, tmp_path / 'small.pth')
    stock = measure({'a': (file, checkpoint)}, (32, 32))['a'][0]
    config = Config.fromfile(file)
    config.model.type = 'LossOnly'
    named = 'tests.support.forwards:logits'
    assert measure({'a': (config, checkpoint)}, (32, 32), named)['a'][0] == stock
    config.robust_prune = dict(recipe='adasap', target=0.5, forward=named)
    assert measure({'a': (config, checkpoint)}, (32, 32))['a'][0] == stock
    with pytest.raises(ValueError, match="logit' cannot be loaded"):
        measure({'a': (config, checkpoint)}, (32, 32), named[:-1])
