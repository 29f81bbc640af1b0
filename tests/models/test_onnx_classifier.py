"""An ONNX file answers as a classifier does, and says what it cannot."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

pytest.importorskip('onnxruntime')
from mmrobustprune.models.onnx_classifier import OnnxClassifier
from tests.support.onnx_files import write_classifier

X = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('batch', [None, 1, 4])
def test_logits_and_predictions(tmp_path, batch):
    model = OnnxClassifier(str(write_classifier(tmp_path / 'a.onnx', batch=batch))).eval()
    assert torch.allclose(model(X), X.mean((2, 3)), atol=1e-6)
    samples = model(X, mode='predict')
    assert [int(sample.pred_label) for sample in samples] == X.mean((2, 3)).argmax(1).tolist()
    assert samples[0].pred_score.sum() == pytest.approx(1)


def test_what_it_cannot_is_said(tmp_path):
    model = OnnxClassifier(str(write_classifier(tmp_path / 'a.onnx', size=4)))
    with pytest.raises(ValueError, match="knows no mode 'loss' and cannot be trained"):
        model(X, mode='loss')
    with pytest.raises(ValueError, match=r'and was given \[5, 3, 6, 6\].*give --shape and a test'):
        model(torch.zeros(5, 3, 6, 6))
    with pytest.raises(FileNotFoundError, match="ONNX file '.*none.onnx' is not there"):
        OnnxClassifier(str(tmp_path / 'none.onnx'))


def test_custom_operators_are_named(tmp_path):
    path = write_classifier(tmp_path / 'a.onnx', domain='my.ops', operator='Special')
    with pytest.raises(ValueError, match='domains of its operators: my.ops. Export it again with'):
        OnnxClassifier(str(path))
    path.write_bytes(b'nothing')
    with pytest.raises(ValueError, match='none but the standard ones. Export it again'):
        OnnxClassifier(str(path))


def test_another_file_than_the_checkpoints_is_refused(tmp_path):
    path = write_classifier(tmp_path / 'a.onnx')
    state = OnnxClassifier(str(path)).state_dict()
    other = OnnxClassifier(str(write_classifier(tmp_path / 'b.onnx', classes=4)))
    other.load_state_dict(state)
    with pytest.raises(ValueError, match='b.onnx is not the file that the checkpoint was made of'):
        other(X)


class Pool(nn.Module):
    """The same network in torch."""

    def forward(self, x):
        return x.mean((2, 3))


def test_gradients_come_from_onnx2torch_or_not_at_all(tmp_path, monkeypatch):
    model = OnnxClassifier(str(write_classifier(tmp_path / 'a.onnx')))
    monkeypatch.setitem(sys.modules, 'onnx2torch', None)
    x = X.clone().requires_grad_()
    with pytest.raises(
        ValueError, match='gives no gradients.*--preset black-box, or make a .*install onnx2torch'
    ):
        model(x)
    stand_in = ModuleType('onnx2torch')
    stand_in.convert = lambda file: Pool()
    monkeypatch.setitem(sys.modules, 'onnx2torch', stand_in)
    (gradient,) = torch.autograd.grad(model(x).sum(), x)
    assert torch.allclose(gradient, torch.full_like(x, 1 / 16))
    stand_in.convert = lambda file: nn.Sequential(Pool(), nn.Softmax(1))
    with pytest.raises(ValueError, match='gives other logits .*--preset black-box'):
        OnnxClassifier(str(model.file))(x)


@pytest.mark.slow
@pytest.mark.parametrize('opset', [13, 17, 19])
def test_gradients_of_a_real_file_are_those_of_its_network(tmp_path, opset):
    pytest.importorskip('onnx2torch', reason='an extra: pip install onnx2torch')
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    ).eval()
    names = dict(input_names=['x'], dynamic_axes=dict(x={0: 'n'}))
    torch.onnx.export(
        network, (X,), str(tmp_path / 'a.onnx'), dynamo=False, opset_version=opset, **names
    )
    model = OnnxClassifier(str(tmp_path / 'a.onnx')).eval()
    x = X.clone().requires_grad_()
    (found,) = torch.autograd.grad(model(x)[:, 0].sum(), x)
    (expected,) = torch.autograd.grad(network(x)[:, 0].sum(), x)
    assert torch.allclose(found, expected, atol=1e-6) and expected.any()
