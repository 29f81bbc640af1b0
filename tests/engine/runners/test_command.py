"""What the command line makes of a config."""

import argparse

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmrobustprune.engine import CorruptionRunner, SAMOptimWrapper, TrainRunner
from mmrobustprune.engine.runners import command
from tests.support.tiny import classifier


def arguments(path, **changes):
    given = dict(config=str(path), work_dir=None, launcher='none', local_rank=0, cfg_options=[])
    return argparse.Namespace(**given | changes)


def test_a_config_with_the_options_of_the_command_line(tmp_path):
    path = tmp_path / 'tiny.py'
    path.write_text("default_scope = 'mmpretrain'\ntrain_dataloader = dict(num_workers=2)\n")
    cfg = command.read_config(arguments(path, cfg_options=['train_dataloader.num_workers=0']))
    assert cfg.work_dir == 'work_dirs/tiny' and cfg.launcher == 'none'
    assert cfg.train_dataloader == dict(
        num_workers=0,
        pin_memory=True,
        collate_fn=dict(type='default_collate'),
        persistent_workers=True,
    )
    given = command.read_config(arguments(path, work_dir=str(tmp_path / 'w')))
    assert given.work_dir == str(tmp_path / 'w')


def test_the_runner_that_the_config_names(tmp_path):
    config = classifier(tmp_path / 'a')
    assert type(command.build_runner(config)) is TrainRunner
    config = classifier(tmp_path / 'b', robust_eval=dict(suite='auto'))
    config.runner_type = 'mmrobustprune.CorruptionRunner'
    assert type(command.build_runner(config)) is CorruptionRunner


def test_predictions_are_painted_by_the_configs_hook():
    hook = dict(type='VisualizationHook')
    for scope, expected in (
        ('mmdet', dict(draw=True, test_out_dir='painted')),
        ('mmpretrain', dict(enable=True, out_dir='painted')),
    ):
        cfg = Config(dict(default_scope=scope, default_hooks=dict(visualization=hook)))
        command.show_predictions(cfg, False, 'painted', 2.0)
        painted = cfg.default_hooks.visualization
        assert painted == dict(hook, show=False, wait_time=2.0, **expected)
    with pytest.raises(ValueError, match='need default_hooks.visualization'):
        command.show_predictions(Config(), True, None, 2.0)


def test_predictions_are_dumped_beside_the_metrics(tmp_path):
    runner = Runner.from_cfg(classifier(tmp_path))
    command.dump_predictions(runner, str(tmp_path / 'p.pkl'))
    names = [type(metric).__name__ for metric in runner.test_evaluator.metrics]
    assert names == ['Accuracy', 'DumpResults']


def test_a_wrapper_without_a_mixed_precision_form():
    with pytest.raises(ValueError, match="--amp has no form of optim_wrapper.type 'ApexOptim"):
        command.amp_wrapper(dict(type='ApexOptimWrapper'))


@pytest.mark.parametrize(
    'given, expected',
    [
        (dict(type='OptimWrapper'), 'AmpOptimWrapper'),
        (dict(), 'AmpOptimWrapper'),
        (dict(type='AmpOptimWrapper'), 'AmpOptimWrapper'),
        (dict(type='mmrobustprune.SAMOptimWrapper'), 'mmrobustprune.AmpSAMOptimWrapper'),
        (dict(type='mmrobustprune.AmpAdaSAPOptimWrapper'), 'mmrobustprune.AmpAdaSAPOptimWrapper'),
    ],
)
def test_amp_forms(given, expected):
    wrapper = command.amp_wrapper(dict(given, optimizer=dict(type='SGD')))
    assert wrapper == dict(type=expected, loss_scale='dynamic', optimizer=dict(type='SGD'))


def test_amp_form_of_a_class():
    assert (
        command.amp_wrapper(dict(type=SAMOptimWrapper))['type']
        == 'mmrobustprune.AmpSAMOptimWrapper'
    )


def test_a_loss_scale_is_kept():
    assert command.amp_wrapper(dict(loss_scale=512.0))['loss_scale'] == 512.0


def test_detection_is_augmented_with_flips():
    cfg = Config(
        dict(
            default_scope='mmdet',
            model=dict(type='X'),
            test_dataloader=dict(
                dataset=dict(
                    type='RepeatDataset',
                    dataset=dict(pipeline=[dict(type='Load'), dict(type='PackDetInputs')]),
                )
            ),
        )
    )
    command.add_test_time_augmentation(cfg)
    assert cfg.model.type == 'DetTTAModel' and cfg.model.module == dict(type='X')
    steps = cfg.test_dataloader.dataset.dataset.pipeline
    assert [step.type for step in steps] == ['Load', 'TestTimeAug']
    assert 'flip_direction' in steps[1].transforms[1][0].meta_keys
