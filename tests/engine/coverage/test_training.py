"""The two lines in a zoo's own config."""

import pytest
import torch
from mmengine.config import Config

from mmrobustprune.engine.coverage.training import (
    Untrainable,
    load_as_stock,
    train,
    training_config,
)
from mmrobustprune.engine.coverage.zoo import Case
from mmrobustprune.engine.runners.prune import PruneRunner

LENET = Case('mmpretrain::lenet/lenet5_mnist.py', 32)


def test_the_zoo_s_training_stays_but_for_data_and_length(tmp_path):
    own = LENET.read()
    config = training_config(LENET, 1, tmp_path, 0.3)
    assert config.model == own.model
    assert config.optim_wrapper.optimizer == own.optim_wrapper.optimizer
    assert config.robust_prune == dict(recipe='adasap', target=0.3)  # two lines are two lines
    assert config.train_cfg.max_iters == 3
    assert config.train_dataloader.dataset.channels == 1
    mixed = Case('mmdet::convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py', 64)
    assert training_config(mixed, 3, tmp_path, 0.3).optim_wrapper.type == 'OptimWrapper'
    assert training_config(mixed, 3, tmp_path, 0.3).model.train_cfg.rcnn.sampler.num == 16


def test_trained_and_loaded_by_the_stock_loader(tmp_path):
    state = train(LENET, 1, tmp_path, 0.3)
    assert {'pruned.py', 'pruned.pth', 'structure.json'} <= {p.name for p in tmp_path.iterdir()}
    assert Config.fromfile(tmp_path / 'pruned.py').model.type == 'mmrobustprune.PrunedModel'
    model = load_as_stock(LENET, tmp_path)
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    saved = torch.load(tmp_path / 'pruned.pth', weights_only=True)
    first = next(iter(saved['state_dict']))
    saved['state_dict'][first][0] = torch.nan  # random weights may diverge
    torch.save(saved, tmp_path / 'pruned.pth')
    assert load_as_stock(LENET, tmp_path).state_dict()[first].isnan().any()
    saved['state_dict'].pop(first)
    torch.save(saved, tmp_path / 'pruned.pth')
    with pytest.raises(ValueError, match='gives other weights'):
        load_as_stock(LENET, tmp_path)


def fail(self, *args, **kwargs):
    raise NotImplementedError('no distillation')


def test_what_the_zoo_itself_does_not_train_is_told_apart(tmp_path, monkeypatch):
    from mmpretrain.models import ImageClassifier

    monkeypatch.setattr(ImageClassifier, 'loss', fail)
    with pytest.raises(Untrainable, match='the zoo itself does not train it: no distillation'):
        train(LENET, 1, tmp_path, 0.3)


def test_what_fails_under_the_two_lines_alone_is_our_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(PruneRunner, 'train', fail)
    with pytest.raises(NotImplementedError):
        train(LENET, 1, tmp_path, 0.3)
