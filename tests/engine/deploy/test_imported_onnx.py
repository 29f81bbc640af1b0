"""An ONNX file under a config is attacked as any network is."""

import sys

import pytest
import torch

pytest.importorskip('onnxruntime')
from mmrobustprune.attack import choose
from mmrobustprune.engine.attacks.evaluate import evaluate_attacks
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import load_config
from mmrobustprune.engine.deploy.imported_onnx import import_onnx
from tests.support.classifier import MEAN, STD, write_config, write_pictures
from tests.support.onnx_files import write_classifier


@pytest.fixture
def imported(tmp_path):
    data = write_pictures(tmp_path / 'data', 6, 'abc', side=8)
    config = write_config(tmp_path, data, classes=3)
    import_onnx(str(config), str(write_classifier(tmp_path / 'a.onnx')), tmp_path / 'out')
    return str(tmp_path / 'out' / 'pruned.py'), str(tmp_path / 'out' / 'pruned.pth')


def test_it_loads_with_the_normalisation_of_its_config(imported):
    config, checkpoint = imported
    model, _, _ = load_model(load_config(config), checkpoint)
    images = torch.full((1, 3, 8, 8), 130.0)
    seen = model.data_preprocessor(dict(inputs=images), training=False)['inputs']
    expected = (130 - torch.tensor(MEAN)) / torch.tensor(STD)
    assert torch.allclose(model(seen)[0], expected, atol=1e-5)


def test_a_black_box_attack_needs_no_gradients_and_others_are_refused(
    imported, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'onnx2torch', None)
    found = evaluate_attacks(*imported, tmp_path / 'square', choose('black-box', queries=5))
    assert 0 <= found['attacks'][0]['accuracy'] <= found['clean'] <= 1
    assert found['attacks'][0]['attack'] == 'square' and found['attacks'][0]['ran'] == ['square']
    with pytest.raises(ValueError, match='gives no gradients'):
        evaluate_attacks(*imported, tmp_path / 'fgsm', choose('pixel', ['fgsm']))


def test_attacks_by_gradients_go_through_onnx2torch(imported, tmp_path):
    """The answer is the brightest channel, and a step of 8/255 changes which that is."""
    pytest.importorskip('onnx2torch', reason='an extra: pip install onnx2torch')
    found = evaluate_attacks(*imported, tmp_path / 'fgsm', choose('pixel', ['fgsm']))
    assert found['attacks'][0]['accuracy'] < found['clean']
