"""Export: what is written for stock tools, and ONNX that computes the same."""

import json

import onnx
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

import mmrobustprune.engine  # noqa: F401
from mmrobustprune.engine.deploy import export
from mmrobustprune.engine.deploy.export import export_checkpoint, export_onnx, flatten
from mmrobustprune.models.pruned import pruned_model_config
from mmrobustprune.structure.record import Structure
from tests.support.forwards import logits
from tests.support.tiny import classifier


def saved(folder, channels=3):
    """A config of a network of so many input channels, and the path of its random weights."""
    config = classifier(folder)
    config.model.backbone.in_channels = channels
    config.data_preprocessor.mean = [100.0 + place for place in range(channels)]
    config.data_preprocessor.std = [60.0] * channels
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))
    path = folder / 'dense.pth'
    torch.save(dict(meta=dict(epoch=3), state_dict=model.state_dict()), path)
    return config, str(path)


def test_files_for_stock_tools(tmp_path):
    config, path = saved(tmp_path)
    config.robust_eval = dict(suite='auto')
    model, meta = export_checkpoint(config, path, tmp_path / 'out')
    assert meta == dict(epoch=3)
    stock = Config.fromfile(tmp_path / 'out' / 'model.py')
    assert not {'robust_eval', 'work_dir', 'runner_type'} & set(stock)
    assert stock.load_from is None and not (tmp_path / 'out' / 'structure.json').exists()
    content = torch.load(tmp_path / 'out' / 'model.pth', weights_only=True)
    assert content['meta'] == dict(epoch=3, cfg=(tmp_path / 'out' / 'model.py').read_text())
    MODELS.build(stock.model).load_state_dict(content['state_dict'])
    assert all(map(torch.equal, content['state_dict'].values(), model.state_dict().values()))


@pytest.mark.parametrize('channels, order', [(1, 1), (3, 'BGR'), (4, 4), (6, 6)])
def test_onnx_takes_as_many_channels_as_the_network(tmp_path, channels, order):
    config, path = saved(tmp_path, channels)
    model, _ = export_checkpoint(config, path, tmp_path)
    assert export_onnx(model, (16, 16), tmp_path / 'model.onnx') <= 1e-4
    file = onnx.load(str(tmp_path / 'model.onnx'))
    shape = [dim.dim_value for dim in file.graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, channels, 16, 16]
    notes = {one.key: json.loads(one.value) for one in file.metadata_props}
    assert notes['head'] == 'LinearClsHead' and notes['kind'] == 'classifier'
    assert notes['input']['channels'] == order
    assert notes['input']['mean'] == [100.0 + place for place in range(channels)]


def test_a_file_that_computes_something_else_is_not_left(tmp_path, monkeypatch):
    config, path = saved(tmp_path)
    model, _ = export_checkpoint(config, path, tmp_path)
    monkeypatch.setattr(export, '_onnx_error', lambda *_: float('nan'))
    with pytest.raises(ValueError, match=r'differs from the network by nan \(allowed 1e-04\)'):
        export_onnx(model, (16, 16), tmp_path / 'model.onnx')
    assert not (tmp_path / 'model.onnx').exists()


def test_a_file_that_onnxruntime_does_not_run_is_not_left(tmp_path, monkeypatch):
    """As one with an operator of mmcv's own (CenterNet)."""
    config, path = saved(tmp_path)
    model, _ = export_checkpoint(config, path, tmp_path)
    describe = export._describe

    def as_foreign(path, described):
        describe(path, described)
        file = onnx.load(str(path))
        file.graph.node[0].op_type = 'ModulatedDeformConv2d'
        onnx.save(file, str(path))

    monkeypatch.setattr(export, '_describe', as_foreign)
    with pytest.raises(ValueError, match='onnxruntime does not run.*ModulatedDeformConv2d.*--no-o'):
        export_onnx(model, (16, 16), tmp_path / 'model.onnx')
    assert not (tmp_path / 'model.onnx').exists()


def test_what_the_exporter_cannot_do_is_one_sentence(tmp_path, monkeypatch):
    config, path = saved(tmp_path)
    model, _ = export_checkpoint(config, path, tmp_path)

    def fail(*args, **kwargs):
        raise RuntimeError('no such operator\nand a long story')

    monkeypatch.setattr(torch.onnx, 'export', fail)
    with pytest.raises(ValueError, match=r'cannot be written as ONNX \(no such operator\)'):
        export_onnx(model, (16, 16), tmp_path / 'model.onnx')


def test_nested_outputs_in_reading_order():
    one, two, three = torch.zeros(1), torch.ones(1), torch.ones(2)
    assert flatten(dict(a=[one, (two, 5)], b=three)) == [one, two, three]
    assert flatten(None) == []


def test_the_model_dict_under_another_record():
    dense = dict(type='X', data_preprocessor=dict(type='P'))
    record = Structure({'conv': dict(kind='conv', shape=[2, 1, 1, 1], out=[0])}, 'one', {})
    pruned = pruned_model_config(dense, record)
    other = Structure({'conv': dict(kind='conv', shape=[2, 1, 1, 1], out=[1])}, 'two', {})
    assert '"out":[1]' in export.with_structure(pruned, other)['structure']
    assert export.with_structure(pruned, Structure({}, 'none', {})) == dense


def test_two_stage_detectors_have_no_onnx(tmp_path):
    class TwoStageDetector(nn.Module):
        """Of mmdet's name, which is what decides."""

    with pytest.raises(ValueError, match='selects boxes inside the network.*--no-onnx'):
        export_onnx(TwoStageDetector(), (64, 64), tmp_path / 'model.onnx')


def test_an_output_may_be_empty(tmp_path):
    """As that of a head for instances, of which a random network finds none."""
    config, path = saved(tmp_path)
    model, _ = export_checkpoint(config, path, tmp_path)

    def with_nothing(model, example):
        found = model(**example, mode='tensor')
        return found, found[:0]

    assert export_onnx(model, (16, 16), tmp_path / 'model.onnx', forward=with_nothing) <= 1e-4


def test_a_named_forward_is_what_the_file_computes(tmp_path):
    """Of a model without a tensor forward, which the sentence about it says."""
    config, path = saved(tmp_path)
    config.model.type = 'LossOnly'
    model, meta = export_checkpoint(config, path, tmp_path, forward=logits)
    assert export_onnx(model, (16, 16), tmp_path / 'model.onnx', meta, logits) <= 1e-4
    (output,) = onnx.load(str(tmp_path / 'model.onnx')).graph.output
    assert [dim.dim_value for dim in output.type.tensor_type.shape.dim] == [1, 3]
    with pytest.raises(ValueError, match='fails before its first layer.*robust_prune.forward='):
        export_onnx(model, (16, 16), tmp_path / 'model.onnx', meta)
