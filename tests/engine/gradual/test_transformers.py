"""A transformer through a gradual recipe, into stock loaders, and into ONNX."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

pytest.importorskip('mmpretrain')
from mmrobustprune.dependency.attention import Narrowed
from mmrobustprune.engine.deploy.export import export_checkpoint, export_onnx
from tests.support.tiny import classifier, pruned

pytestmark = pytest.mark.filterwarnings('ignore')

VIT = dict(
    type='ImageClassifier',
    backbone=dict(
        type='VisionTransformer',
        arch=dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=48),
        img_size=16,
        patch_size=4,
    ),
    head=dict(type='VisionTransformerClsHead', num_classes=3, in_channels=24, topk=(1,)),
)
PLAN = dict(
    target=0.3, scope='layer', warmup=0.15, rounds=3, interval=None, prune=0.3, measure=False
)


@pytest.fixture(scope='module', params=['dims', 'heads'])
def trained(request, tmp_path_factory):
    """Three epochs of AdaSAP: a folder, and what a unit of an attention was."""
    folder = tmp_path_factory.mktemp(request.param)
    config = classifier(folder, epochs=3, model=VIT)
    runner = RUNNERS.build(pruned(config, **PLAN, attention=request.param))
    runner.train()
    return folder, request.param, runner.model.eval()


def test_stock_loaders_build_what_was_trained(trained):
    from mmpretrain.apis import get_model

    folder, units, model = trained
    again = get_model(str(folder / 'pruned.py'), str(folder / 'pruned.pth'), device='cpu').eval()
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(again(images), model(images))
    layers = json.loads((folder / 'structure.json').read_text())['layers']
    assert any(name.endswith('attn.qkv') for name in layers)
    attentions = [module for module in again.modules() if isinstance(module, Narrowed)]
    assert attentions and all((m.num_heads == 3) >= (units == 'dims') for m in attentions)


def test_onnx(trained, tmp_path):
    import onnxruntime

    folder, _, model = trained
    config = Config.fromfile(folder / 'pruned.py')
    network, meta = export_checkpoint(config, str(folder / 'pruned.pth'), tmp_path)
    assert export_onnx(network.eval(), (16, 16), tmp_path / 'model.onnx', meta) < 1e-4
    images = torch.randn(1, 3, 16, 16)
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx')
    (found,) = session.run(None, {'inputs': images.numpy()})
    with torch.no_grad():
        expected = model(images).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
