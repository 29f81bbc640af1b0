"""Phases of a search: where they begin, with which optimizer and learning rate."""

import math

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from mmrobustprune.engine.pruning.schedule import Plan
from mmrobustprune.engine.search.phases import SearchTimes
from mmrobustprune.recipes.build import build_recipe
from tests.support.searching import saved, searched


def test_the_dense_phase_begins_with_the_warm_up_of_the_base(tmp_path):
    config = searched(tmp_path, attack=None, epochs=3, search='1 epochs')
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=3),
        dict(type='CosineAnnealingLR', by_epoch=True, T_max=3),
    ]
    rates, runner = [], RUNNERS.build(config)
    update = runner.model.train_step
    runner.model.train_step = lambda *args, **kwargs: (
        rates.append(runner.optim_wrapper.get_lr()['lr'][0]),
        update(*args, **kwargs),
    )[1]
    runner.train()
    dense = [
        0.05 * factor for factor in (0.1, 0.55, 1.0, 1.0, 0.75, 0.25)
    ]  # and a cosine over the three that are left
    assert rates[:6] == pytest.approx(dense) and rates[6] == 0.05 and rates[12] == 0.01
    config.param_scheduler[0]['end'] = 6
    config.work_dir += '/long'
    with pytest.raises(ValueError, match='warm-up takes 6 iterations and the dense phase only 6'):
        RUNNERS.build(config).train()


def test_the_learning_rate_of_a_phase_follows_the_batch(tmp_path):
    config = searched(tmp_path, attack=None)
    config.auto_scale_lr = dict(enable=True, base_batch_size=4)  # batches of 8
    runner = RUNNERS.build(config)
    runner.train()
    rates = [
        saved(tmp_path, f'epoch_{n}.pth')['optimizer']['param_groups'][0]['initial_lr']
        for n in (1, 2, 4)
    ]
    assert rates == pytest.approx(
        [0.1, 0.1, 0.02]
    )  # 0.05 dense and searching, 0.01 fine-tuning, twice


def test_fine_tuning_spares_norms_of_decay_as_the_base_does(tmp_path):
    config = searched(tmp_path, attack=None)
    config.optim_wrapper.paramwise_cfg = dict(norm_decay_mult=0.0)
    runner = RUNNERS.build(config)
    runner.train()
    norms = {
        id(p)
        for module in runner.model.modules()
        if isinstance(module, torch.nn.BatchNorm2d)
        for p in module.parameters()
    }
    for group in runner.optim_wrapper.optimizer.param_groups:
        assert group['initial_lr'] == 0.01 and (group['weight_decay'] == 0) == (
            id(group['params'][0]) in norms
        )


def test_the_plan_of_a_run():
    fields = dict(pretrain='100 epochs', search='20 epochs')
    recipe = build_recipe(dict(recipe='s2ap_hydra', target=0.9, **fields))
    plan = Plan.of(recipe.phases(), 2200, 10)
    times = SearchTimes.of(recipe, plan, 10)
    assert (times.search, times.finetune, times.warmup) == (1000, 1200, 50)
    names = [plan.at(i).name for i in (0, 999, 1000, 1199, 1200)]
    assert names == ['pretrain', 'pretrain', 'search', 'search', 'finetune']
    assert [times.epoch(i) for i in (1000, 1015, 1200)] == [(0, True), (1, False), (0, True)]
    assert [times.perturbed(i) for i in (1049, 1050, 1199, 1200)] == [False, True, True, False]


class Rates(Hook):
    """The learning rate of every step."""

    def __init__(self, rates):
        self.rates = rates

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(runner.optim_wrapper.get_lr()['lr'][0])


def test_a_longer_search_fine_tunes_at_a_learning_rate(tmp_path):
    """Its cosine ends with the schedule, and a shorter schedule may not cut the search off."""
    fields = dict(attack=None, perturb='none', measure=False, search='1 epochs', warmup=0)
    RUNNERS.build(searched(tmp_path, epochs=3, **fields)).train()
    config = searched(tmp_path / 'more', epochs=4, **fields)
    config.resume = True
    config.load_from = str(tmp_path / 'epoch_3.pth')
    runner = RUNNERS.build(config)
    rates = []
    runner.register_hook(Rates(rates))
    runner.train()
    assert runner.iter == 24
    expected = [0.01 * (1 + math.cos(math.pi * n / 12)) / 2 for n in range(6, 12)]
    assert rates == pytest.approx(expected, rel=1e-6)
    config = searched(tmp_path / 'less', epochs=1, **fields)
    config.resume = True
    config.load_from = str(tmp_path / 'epoch_1.pth')
    with pytest.raises(ValueError, match='of a schedule of 6; .* both must fit'):
        RUNNERS.build(config).train()
