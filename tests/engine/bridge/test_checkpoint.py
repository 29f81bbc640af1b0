"""Weights that fit, weights that do not, and the structure in a checkpoint."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmpretrain.models import AverageClsScoreTTA
from torch import nn

import mmrobustprune.engine  # noqa: F401
from mmrobustprune.engine.bridge import checkpoint as bridge
from mmrobustprune.models.pruned import pruned_model_config
from mmrobustprune.structure.record import Structure
from tests.support.tiny import classifier

RECORD = Structure(
    {'backbone.conv1': dict(kind='conv', shape=[8, 3, 3, 3], out=[0, 2])}, 'Magnitude', {}
)
OTHER = Structure(
    {'backbone.conv1': dict(kind='conv', shape=[8, 3, 3, 3], out=[1])}, 'Magnitude', {}
)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(bridge, 'print_log', lambda line, logger, level: lines.append(line))
    return lines


def refused(model, state, words):
    with pytest.raises(ValueError, match=words) as error:
        bridge.load_weights(model, dict(state_dict=state), 'x.pth')
    assert "the weights in 'x.pth' are not those of the config's model (" in str(error.value)
    assert '()' not in str(error.value)


def test_weights_come_in_whole(warnings):
    model, state = network(), network().state_dict()
    state['0.bias'] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    bridge.load_weights(model, dict(state_dict=state), 'x.pth')
    assert model[0].bias.tolist() == [1, 2, 3, 4] and warnings == []
    bridge.load_weights(model, network().state_dict(), 'x.pth')  # a file of weights alone
    assert torch.equal(model[0].bias, network()[0].bias)


def test_what_the_network_does_not_have_is_one_warning(warnings):
    state = network().state_dict()
    state.update({f'teacher.{name}': torch.zeros(1) for name in 'abcd'})
    bridge.load_weights(network(), dict(state_dict=state), 'x.pth')
    assert warnings == [
        "'x.pth' holds weights that the network does not have (teacher.a, teacher.b, teacher.c, "
        'and 1 more); they are left out.'
    ]


def test_missing_weights_are_refused_and_the_first_three_named():
    state = network().state_dict()
    for name in ('0.weight', '0.bias', '1.weight', '3.weight', '3.bias'):
        del state[name]
    words = r'\(0.weight is missing, 0.bias is missing, 1.weight is missing, and 2 more\)'
    refused(network(), state, words)


def test_other_shapes_are_refused_and_both_named():
    state = network().state_dict()
    state['3.weight'] = torch.zeros(5, 4)
    refused(network(), state, r'3.weight is \(5, 4\) in the checkpoint and \(2, 4\) in the network')


def test_weights_of_a_training_that_diverged_are_refused():
    """Every image would count as class 0."""
    state = network().state_dict()
    state['3.weight'] *= float('nan')
    with pytest.raises(ValueError, match=r'x.pth. are no numbers \(NaN in 3.weight\), as after a'):
        bridge.load_weights(network(), state, 'x.pth')


def test_counters_that_old_checkpoints_lack_may_be_missing():
    state = network().state_dict()
    del state['1.num_batches_tracked']
    bridge.load_weights(network(), dict(state_dict=state), 'x.pth')


def test_prefixes_and_wrappers_are_seen_through():
    class Network(nn.Sequential):
        test_step = None  # test-time augmentation asks for it

    model = Network(*network())
    state = {f'module.{name}': value + 1 for name, value in model.state_dict().items()}
    wrapped = AverageClsScoreTTA(module=model)
    bridge.load_weights(wrapped, dict(state_dict=state), 'x.pth')
    assert torch.equal(model[3].bias, network()[3].bias + 1)


def test_versions_of_layers_come_along():
    """Layers convert what an older version of theirs wrote."""
    state = network().state_dict()
    state._metadata['1'] = dict(version=1)
    assert bridge.weights_of(dict(state_dict=state))._metadata['1'] == dict(version=1)


def test_a_model_is_loaded_with_its_weights(tmp_path):
    config = classifier(tmp_path)
    model, _, built = bridge_pair(config, tmp_path)
    loaded, meta, again = bridge.load_model(config, str(tmp_path / 'x.pth'))
    assert not loaded.training and meta == dict(epoch=3)
    assert again.model.data_preprocessor == config.data_preprocessor
    assert all(map(torch.equal, loaded.state_dict().values(), model.state_dict().values()))
    config.model.head.num_classes = 5
    with pytest.raises(ValueError, match=r'head.fc.weight is \(3, 64\) .* \(5, 64\)'):
        bridge.load_model(config, str(tmp_path / 'x.pth'))


def bridge_pair(config, folder):
    from mmengine.registry import init_default_scope

    init_default_scope('mmpretrain')
    built = copy.deepcopy(config.model)
    built.data_preprocessor = config.data_preprocessor
    model = MODELS.build(built)
    torch.save(dict(meta=dict(epoch=3), state_dict=model.state_dict()), folder / 'x.pth')
    return model, folder / 'x.pth', built


def test_a_config_is_pruned_as_its_checkpoint_is():
    dense = dict(type='ImageClassifier', backbone=dict(type='X'))
    assert bridge.under_structure(dense, None, None) == (dense, None)
    pruned, structure = bridge.under_structure(dense, RECORD, 'x.pth')
    assert pruned['architecture']['backbone'] == dict(type='X') and structure is RECORD
    again, own = bridge.under_structure(pruned, RECORD, 'x.pth')
    assert again is pruned and own == RECORD


def test_two_structures_are_refused():
    pruned = pruned_model_config(dict(type='ImageClassifier'), RECORD)
    with pytest.raises(ValueError, match='x.pth has another structure'):
        bridge.under_structure(pruned, OTHER, 'x.pth')


def test_the_structure_is_read_from_meta_and_from_a_configs_text():
    meta = dict(mmrobustprune=dict(structure=RECORD.to_dict()))
    assert bridge.structure_of(meta) == RECORD
    model = pruned_model_config(dict(type='ImageClassifier'), RECORD)
    wrapped = dict(type='AverageClsScoreTTA', module=model)
    for one in (model, wrapped):
        text = Config(dict(model=one)).pretty_text
        assert bridge.structure_of(dict(cfg=text)) == RECORD
    assert bridge.structure_of({}) is None
    assert bridge.structure_of(dict(cfg="model = dict(type='PrunedModel")) is None  # cut short


def test_the_checkpoint_to_start_from(tmp_path):
    config = Config(dict(work_dir=str(tmp_path), load_from=None, resume=True))
    assert bridge.starting_checkpoint(config) is None
    (tmp_path / 'last_checkpoint').write_text('epoch_2.pth')
    assert bridge.starting_checkpoint(config) == 'epoch_2.pth'
    assert bridge.starting_checkpoint(Config(dict(load_from='a.pth'))) == 'a.pth'


def test_files_that_are_no_checkpoint(tmp_path):
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='holds a list, not a checkpoint'):
        bridge.read_checkpoint(str(tmp_path / 'list.pth'))
    with pytest.raises(FileNotFoundError, match='is not there'):
        bridge.read_checkpoint(str(tmp_path / 'none.pth'))
