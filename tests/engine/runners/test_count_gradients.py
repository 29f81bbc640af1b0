"""What a training costs in gradients: by rule and ascent, and when it was stopped."""

import json

import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

import mmrobustprune.engine  # noqa: F401
from mmrobustprune.engine.runners.command import build_runner
from tests.support.tiny import classifier, pruned

COUNT = dict(type='mmrobustprune.CountGradientsHook')
FAST = dict(warmup=0, rounds=1, interval=1, measure=False, recalibrate='')
SAM = dict(type='SAM', rho=0.05)


@HOOKS.register_module(force=True)
class StopAfterEpoch(Hook):
    """Kills the training after its first epoch."""

    priority = 'VERY_LOW'

    def after_train_epoch(self, runner):
        if runner.epoch == 0:
            raise KeyboardInterrupt


def counted(config):
    build_runner(config).train()
    with open(f'{config.work_dir}/gradients.json') as file:
        return json.load(file)


@pytest.mark.parametrize(
    'ascent, epochs',
    [('fresh', 2), (dict(type='look', k=3), 4 / 3)],
)
def test_a_second_pass_counts_and_looks_do_not(tmp_path, ascent, epochs):
    config = pruned(
        classifier(tmp_path, epochs=1, custom_hooks=[COUNT]),
        recipe='magnitude',
        rule=SAM,
        finetune_rule=SAM,
        ascent=ascent,
        weigh='none',
        **FAST,
    )
    assert counted(config)['epochs'] == pytest.approx(epochs)


def test_a_training_that_was_stopped_counts_on(tmp_path):
    config = classifier(tmp_path, epochs=2, custom_hooks=[COUNT, dict(type='StopAfterEpoch')])
    with pytest.raises(KeyboardInterrupt):
        build_runner(config).train()
    config = classifier(tmp_path, epochs=2, custom_hooks=[COUNT], resume=True)
    assert counted(config) == dict(images=96, epochs=2.0, steps=12)
