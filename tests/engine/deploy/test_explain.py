"""The chains and the reasons that are printed before anything is removed."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmrobustprune.engine.deploy.explain import explain
from tests.support import forwards  # noqa: F401

NAMED = 'tests.support.forwards:logits'


def written(folder, **model):
    """Config and checkpoint of a mmpretrain classifier with random weights."""
    init_default_scope('mmpretrain')
    model = dict(dict(type='ImageClassifier'), **model)
    config = Config(dict(default_scope='mmpretrain', model=model))
    torch.save(dict(meta={}, state_dict=MODELS.build(config.model).state_dict()), folder / 'x.pth')
    return config, str(folder / 'x.pth')


LENET = dict(backbone=dict(type='LeNet5', num_classes=10), head=dict(type='ClsHead'))
COLOURS = dict(
    backbone=dict(type='mmrobustprune.CIFARResNet', depth=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=64),
)


def test_every_chain_of_lenet_then_the_layer_that_stays(tmp_path):
    assert explain(*written(tmp_path, **LENET), (32, 32)).splitlines() == [
        'backbone.features.0: 6 units, one unit is',
        '  1 output channel of backbone.features.0',
        '  1 input channel of backbone.features.3',
        'backbone.features.3: 16 units, one unit is',
        '  1 output channel of backbone.features.3',
        '  1 input channel of backbone.features.6',
        'backbone.features.6: 120 units, one unit is',
        '  1 output channel of backbone.features.6',
        '  1 input channel of backbone.classifier.0',
        'backbone.classifier.0: 84 units, one unit is',
        '  1 output channel of backbone.classifier.0',
        '  1 input channel of backbone.classifier.2',
        'backbone.classifier.2: unprunable, it is an output of the model',
    ]


def test_what_is_ignored_says_by_which_pattern(tmp_path):
    text = explain(*written(tmp_path, **LENET), (32, 32), ['backbone.features', '*.2'])
    assert text.splitlines() == [
        'backbone.classifier.0: 84 units, one unit is',
        '  1 output channel of backbone.classifier.0',
        '  1 input channel of backbone.classifier.2',
        "backbone.features.0: unprunable, it matches ignore pattern 'backbone.features'",
        "backbone.features.3: unprunable, it matches ignore pattern 'backbone.features'",
        "backbone.features.6: unprunable, it matches ignore pattern 'backbone.features'",
        "backbone.classifier.2: unprunable, it matches ignore pattern '*.2'",
    ]
    with pytest.raises(ValueError, match="'backbone.feature' matches no layer .nearest: backbone"):
        explain(*written(tmp_path, **LENET), (32, 32), ['backbone.feature'])


def test_a_network_of_one_layer_has_reasons_alone(tmp_path):
    """Its two-channel images, too, are made by what the layer reads."""
    given = written(
        tmp_path, backbone=dict(type='Conv2d', in_channels=2, out_channels=4, kernel_size=1)
    )
    assert explain(*given, (4, 4)) == 'backbone: unprunable, it is an output of the model'


def test_channels_that_a_sum_couples_stand_in_one_chain(tmp_path):
    """The stem and both convolutions' ends in the first stage are added up."""
    text = explain(*written(tmp_path, **COLOURS), (32, 32))
    chain = text.partition('backbone.conv1: 16 units, one unit is\n')[2].split(' units')[0]
    assert chain.count('1 output channel of backbone.') == 4  # two convolutions, two norms
    assert text.splitlines()[-1] == 'head.fc: unprunable, it is an output of the model'


@pytest.mark.parametrize('kind', ['Numbered', 'LossOnly'])
def test_a_named_forward_is_traced_instead_of_the_models_own(tmp_path, kind):
    given = written(tmp_path, type=kind, **COLOURS)
    with pytest.raises(ValueError, match='give a forward callable .*robust_prune.forward='):
        explain(*given, (32, 32))
    stock = explain(*written(tmp_path, **COLOURS), (32, 32))
    assert explain(*given, (32, 32), forward=NAMED) == stock
    with pytest.raises(ValueError, match="forward='tests.support.forwards:logit' cannot be loaded"):
        explain(*given, (32, 32), forward=NAMED[:-1])
