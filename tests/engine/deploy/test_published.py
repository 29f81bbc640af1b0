"""Published weights become a checkpoint that every tool loads."""

import pytest
import torch

pytest.importorskip('mmpretrain')

from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.deploy.published import import_published
from tests.support.classifier import write_config, write_weights


@pytest.mark.parametrize('wrap', [dict, lambda state: dict(state_dict=state, best_prec1=91.7)])
def test_a_published_resnet_is_loaded_by_the_tools(tmp_path, wrap):
    config = write_config(tmp_path, tmp_path)
    _, model = write_weights(config, tmp_path / 'own.pth')
    state = {}
    for name, value in model.state_dict().items():
        if 'shortcut' not in name:
            state[name.replace('backbone.', '').replace('head.fc', 'fc')] = value
    torch.save(wrap(state), tmp_path / 'theirs.pth')
    out = tmp_path / 'new' / 'mine.pth'
    learned = sum(value.numel() for value in model.parameters() if value.requires_grad)
    assert import_published(config, str(tmp_path / 'theirs.pth'), out) == learned
    loaded, meta, _ = load_model(as_config(config), str(out))
    own = model.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in loaded.state_dict().items())
    assert meta['source'] == 'theirs.pth'
