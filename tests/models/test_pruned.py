"""A pruned network as a config: the plain network, from text, a path or a dict."""

import copy
import json

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

pytest.importorskip('mmpretrain')
from mmrobustprune.models.pruned import (
    PrunedModel,
    is_pruned_config,
    pruned_model_config,
    read_structure,
    without_pretrained,
)
from mmrobustprune.surgery import prune_channels, save_structure

ARCHITECTURE = dict(
    type='mmpretrain.ImageClassifier',
    data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', mean=[1.0], std=[2.0]),
    backbone=dict(
        type='mmrobustprune.CIFARResNet',
        depth=8,
        in_channels=1,
        init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth'),
    ),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=64),
)
IMAGE = torch.rand(2, 1, 32, 32)


@pytest.fixture(scope='module')
def pruned():
    """A network with channels removed, and its structure."""
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(without_pretrained(ARCHITECTURE)).eval()
    structure = prune_channels(model, IMAGE, 0.3, ignore=['head.fc'])
    return model, structure


def same(one, other):
    one.load_state_dict(other.state_dict())
    return torch.equal(one.eval()(IMAGE)[0], other(IMAGE)[0])


def test_the_config_builds_the_plain_network_again(pruned):
    model, structure = pruned
    config = pruned_model_config(copy.deepcopy(ARCHITECTURE), structure)
    assert is_pruned_config(config) and not is_pruned_config(ARCHITECTURE)
    assert json.loads(json.dumps(config)) == config and config['backbone'] == {}
    built = MODELS.build(config)
    assert type(built) is type(model) and same(built, model)
    assert built.data_preprocessor.mean.flatten().tolist() == [1.0]
    again = pruned_model_config(config, structure)
    assert again == config  # a pruned config is not wrapped twice


def test_a_wrapper_for_augmented_tests_stays_around_it(pruned):
    _, structure = pruned
    config = pruned_model_config(dict(type='ClsTTA', module=dict(ARCHITECTURE)), structure)
    assert config['type'] == 'ClsTTA' and is_pruned_config(config['module'])


def test_a_structure_is_text_a_path_or_a_dict(pruned, tmp_path):
    model, structure = pruned
    save_structure(tmp_path / 'structure.json', structure)
    for given in (
        json.dumps(structure.to_dict()),
        str(tmp_path / 'structure.json'),
        structure.to_dict(),
    ):
        assert read_structure(given).to_dict() == structure.to_dict()
    assert same(PrunedModel(ARCHITECTURE, str(tmp_path / 'structure.json')), model)
    with pytest.raises(
        FileNotFoundError, match="is not there; .*'{{ fileDirname }}/structure.json"
    ):
        read_structure(str(tmp_path / 'none.json'))


def test_the_preprocessor_of_the_runner_is_taken_where_the_architecture_has_none(pruned):
    _, structure = pruned
    bare = {key: value for key, value in ARCHITECTURE.items() if key != 'data_preprocessor'}
    given = dict(type='mmpretrain.ClsDataPreprocessor', mean=[7.0], std=[1.0])
    text = json.dumps(structure.to_dict())
    assert PrunedModel(bare, text, given).data_preprocessor.mean.item() == 7
    assert PrunedModel(ARCHITECTURE, text, given).data_preprocessor.mean.item() == 1


def test_weights_of_dense_shapes_are_not_loaded_and_the_given_config_stays():
    given = dict(
        backbone=dict(
            pretrained='x.pth',
            init_cfg=[dict(type='Kaiming'), dict(type='Pretrained', checkpoint='y.pth')],
        ),
        head=[dict(init_cfg=dict(type='Normal'))],
    )
    before = copy.deepcopy(given)
    plain = without_pretrained(given)
    assert plain['backbone'] == dict(pretrained=None, init_cfg=None)
    assert plain['head'] == [dict(init_cfg=dict(type='Normal'))] and given == before
