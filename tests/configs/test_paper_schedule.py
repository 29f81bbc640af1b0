"""The hyper-parameters that the paper gives, in the configs that name it."""

from pathlib import Path

import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

import mmrobustprune.engine  # noqa: F401  registers our parts
from mmrobustprune.recipes.build import build_recipe

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize(
    'name',
    [
        'resnet50_8xb128-adasap-p60_in1k',
        'mobilenet-v1_8xb128-adasap-p44_in1k',
        'mobilenet-v2_8xb128-adasap-p50_in1k',
        'resnet50_8xb128-adasap-latency-2x_in1k',
        'mobilenet-v1_8xb128-adasap-latency-2.33x_in1k',
        'mobilenet-v2_8xb128-adasap-latency-1.39x_in1k',
    ],
)
def test_the_papers_hyper_parameters(name):
    """arXiv 2306.14306, A.3 and A.5: 8 x 128 images, rate 1.024 after 8 of 90 epochs, a cosine."""
    config = Config.fromfile(CONFIGS / 'adasap' / f'{name}.py')
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == ('SGD', 0.875, 3.05e-5)
    assert (
        config.train_dataloader.batch_size == 128
        and config.auto_scale_lr.base_batch_size == 8 * 128
    )
    recipe = build_recipe(config.robust_prune)
    assert (recipe.warmup, recipe.rounds, recipe.interval) == ('10 epochs', 30, 30)
    assert recipe.rule == dict(type='AdaSAP', rho_min=0.01, rho_max=2.0, adaptive=True)
    assert recipe.finetune_rule == dict(type='ASAM', rho=2.0, params='weight')
    if 'latency' in name:  # of a batch that keeps a GPU busy, as HALP's tables
        assert (recipe.batch, recipe.score, recipe.solver) == (
            256,
            dict(type='HALPTaylor'),
            'exact',
        )

    rates = _rates(config, per_epoch=5)
    assert rates[8 * 5] == pytest.approx(1.024) and max(rates) == pytest.approx(1.024)
    assert rates[4 * 5] == pytest.approx(0.512, rel=0.05) and rates[-1] == pytest.approx(
        0, abs=1e-4
    )
    assert len(rates) == 90 * 5 + 1 and rates[49 * 5] == pytest.approx(
        0.512, rel=0.02
    )  # half way down


def _rates(config, per_epoch):
    """The learning rate before every iteration, and after the last."""
    optimizer = torch.optim.SGD(
        [torch.nn.Parameter(torch.zeros(1))], lr=config.optim_wrapper.optimizer.lr
    )
    schedulers = []
    for fields in config.param_scheduler:
        fields = {key: value for key, value in fields.items() if key != 'convert_to_iter_based'}
        for key in ('begin', 'end', 'T_max'):
            if key in fields:
                fields[key] *= per_epoch
        schedulers.append(PARAM_SCHEDULERS.build(dict(fields, by_epoch=False, optimizer=optimizer)))
    rates = [optimizer.param_groups[0]['lr']]
    for _ in range(config.train_cfg.max_epochs * per_epoch):
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        rates.append(optimizer.param_groups[0]['lr'])
    return rates
