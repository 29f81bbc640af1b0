"""Schedules in epochs stretch, those in iterations do not; learning rates in words."""

import pytest
from mmengine.config import Config

from mmrobustprune.engine.bridge.config import parse_options
from mmrobustprune.engine.comparison.length import learning_rate, length_options

SGD = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
WARM = dict(type='LinearLR', by_epoch=False, begin=0, end=100)
STEPS = dict(type='MultiStepLR', milestones=[100, 200])
COSINE = dict(type='CosineAnnealingLR', T_max=10, eta_min=0.0)


def config(schedule, epochs):
    train = dict(max_epochs=epochs)
    return Config(dict(optim_wrapper=SGD, param_scheduler=schedule, train_cfg=train))


def test_lists_and_single_schedules_stretch():
    given = config([WARM, STEPS], 300)
    options = length_options(given, 10)
    assert options == ['train_cfg.max_epochs=10', 'param_scheduler.1.milestones=[3,7]']
    given.merge_from_dict(parse_options(options))
    assert given.param_scheduler[1].milestones == [3, 7] and given.param_scheduler[0].end == 100
    assert length_options(config(COSINE, 10), 15)[1:] == ['param_scheduler.T_max=15']


def test_a_training_in_iterations_is_refused():
    with pytest.raises(ValueError, match='does not train by epochs'):
        length_options(Config(dict(train_cfg=dict(max_iters=10))), 3)


def test_learning_rates_in_words():
    assert learning_rate(config([WARM, COSINE], 1)) == (
        'SGD lr 0.1, momentum 0.9; LinearLR, CosineAnnealingLR'
    )
    assert learning_rate(config([], 1)).endswith('; constant')
