"""Both forms of a finished network, ONNX, and torch.export."""

import copy
import io

import numpy as np
import pytest
import torch

from mmrobustprune.grouped_kernels import export, time_forms
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import GroupedKernelConv2d, export_forms, prune_grouped_kernels
from tests.support.resnets import BottleneckNet, CIFARResNet, settle

pytestmark = pytest.mark.timeout(1200)
IMAGE = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
DENSE = {'basic': lambda: CIFARResNet(8, (8, 8, 16)), 'bottleneck': BottleneckNet}


def pruned(name):
    torch.manual_seed(0)
    model = settle(DENSE[name]())
    return model, prune_grouped_kernels(model, 0.5, 4, 'all')


def forms(model):
    return [
        name for name, module in model.named_modules() if isinstance(module, GroupedKernelConv2d)
    ]


@pytest.mark.parametrize('name', DENSE)
def test_the_dense_form_is_a_state_of_the_dense_network(name):
    model, structure = pruned(name)
    expected = model(IMAGE)
    record = export_forms(model, structure, 'dense')
    assert record.layers == {} and forms(model) == []
    again = settle(DENSE[name]())
    again.load_state_dict(model.state_dict())
    assert (again(IMAGE) - expected).abs().max() < 1e-10


def test_forms_may_be_mixed(monkeypatch):
    model, structure = pruned('basic')
    expected, names = model(IMAGE), forms(model)
    times = {name: dict(grouped=1 + i % 2, dense=1.5) for i, name in enumerate(names)}
    monkeypatch.setattr(export, 'time_forms', lambda *_: times)
    record = export_forms(model, structure, 'fastest', IMAGE)
    assert (
        forms(model) == names[::2] == [name for name, row in record.layers.items() if 'kept' in row]
    )
    again = rebuild(settle(DENSE['basic']()), record)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(IMAGE), model(IMAGE)) and (again(IMAGE) - expected).abs().max() < 1e-10


def test_the_grouped_form_is_what_there_is():
    model, structure = pruned('basic')
    text = str(model)
    assert export_forms(model, structure, 'grouped') == structure and str(model) == text


def test_the_faster_form_is_measured_on_the_shapes_at_hand():
    model, structure = pruned('basic')
    times = time_forms(model, IMAGE, repeats=3)
    assert list(times) == forms(model) and all(
        row['grouped'] > 0 and row['dense'] > 0 for row in times.values()
    )
    expected = model(IMAGE)
    record = export_forms(model, structure, example_input=IMAGE, repeats=3)
    assert forms(model) == [name for name, row in record.layers.items() if 'kept' in row]
    assert (model(IMAGE) - expected).abs().max() < 1e-10


def test_wrong_wishes_are_refused():
    model, structure = pruned('basic')
    with pytest.raises(
        ValueError, match="form='sparse' is not known; give one of fastest, grouped, dense"
    ):
        export_forms(model, structure, 'sparse')
    with pytest.raises(ValueError, match='needs an example_input'):
        export_forms(model, structure)
    with pytest.raises(ValueError, match="does not reach 'stage_1.0.conv_a'"):
        export_forms(
            model,
            structure,
            example_input=IMAGE,
            forward=lambda net, x: net.bn_1(x[:, :1].expand(-1, 8, -1, -1)),
        )


@pytest.mark.parametrize('form', ['grouped', 'dense'])
@pytest.mark.parametrize('name', DENSE)
def test_onnx_agrees(name, form):
    onnxruntime, onnx = pytest.importorskip('onnxruntime'), pytest.importorskip('onnx')
    model, structure = pruned(name)
    model.float()
    gathers = sum(
        1 + (layer.out_index is not None)
        for layer in model.modules()
        if isinstance(layer, GroupedKernelConv2d)
    )
    export_forms(model, structure, form)
    file = io.BytesIO()
    torch.onnx.export(
        model,
        IMAGE[:1].float(),
        file,
        dynamo=False,
        input_names=['x'],
        dynamic_axes={'x': {0: 'n'}},
    )
    nodes = [node.op_type for node in onnx.load_from_string(file.getvalue()).graph.node]
    assert nodes.count('Gather') == (gathers if form == 'grouped' else 0)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=['CPUExecutionProvider'])
    (theirs,) = session.run(None, {'x': IMAGE.float().numpy()})
    np.testing.assert_allclose(theirs, model(IMAGE.float()).detach().numpy(), rtol=1e-4, atol=1e-4)


def test_torch_export_agrees():
    model, _ = pruned('bottleneck')
    program = torch.export.export(model, (IMAGE,)).module()
    assert (program(IMAGE) - model(IMAGE)).abs().max() < 1e-12


def test_the_layer_moves_and_copies_like_any_other():
    model, _ = pruned('basic')
    layer = model.stage_1[0].conv_b
    twin = copy.deepcopy(layer)
    assert torch.equal(
        twin(IMAGE[:, :1].expand(-1, 8, -1, -1)), layer(IMAGE[:, :1].expand(-1, 8, -1, -1))
    )
    assert layer.to('meta').in_index.device.type == 'meta' and twin.out_index.device.type == 'cpu'
    assert twin.half().in_index.dtype == torch.int64
    assert '8 -> 16, 8, kernel_size=(3, 3)' in repr(twin) and repr(twin).endswith('unshuffled)')


def test_a_finished_layer_has_the_dense_one_inside():
    conv = torch.nn.Conv2d(3, 4, 1)
    conv.weight = torch.nn.Parameter(torch.arange(1.0, 9).view(4, 2, 1, 1))
    layer = GroupedKernelConv2d(conv, 2, torch.tensor([0, 2, 1, 2]), torch.tensor([3, 0, 1, 2]))
    assert layer.dense().weight[..., 0, 0].tolist() == [[0, 7, 8], [1, 0, 2], [3, 0, 4], [0, 5, 6]]
    assert torch.equal(layer.dense().bias, conv.bias[[3, 0, 1, 2]])
    x = torch.randn(2, 3, 4, 4)
    assert torch.allclose(layer(x), layer.dense()(x), atol=1e-6)
