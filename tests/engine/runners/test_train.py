"""TrainRunner: mmengine's training, which a kill does not change."""

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmrobustprune.engine import ResumableEpochLoop, TrainRunner
from tests.support.tiny import classifier


def test_it_trains_by_the_resumable_loop_and_prunes_nothing(tmp_path):
    runner = TrainRunner.from_cfg(classifier(tmp_path / 'ours', epochs=1))
    runner.train()
    assert isinstance(runner.train_loop, ResumableEpochLoop)
    content = torch.load(tmp_path / 'ours' / 'epoch_1.pth', weights_only=False)
    assert 'resume' in content and 'mmrobustprune' not in content['meta']
    stock = Runner.from_cfg(classifier(tmp_path / 'stock', epochs=1))
    shapes = {name: value.shape for name, value in stock.model.state_dict().items()}
    assert {name: value.shape for name, value in content['state_dict'].items()} == shapes


def test_a_config_for_testing_alone(tmp_path):
    config = classifier(tmp_path)
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        config.pop(key)
    assert isinstance(config, Config) and TrainRunner.from_cfg(config)._train_loop is None
