"""Costs of several checkpoints side by side."""

import pytest

pytest.importorskip('mmpretrain')
from mmengine.config import Config

from mmrobustprune.engine.analysis.compare import measure
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
