"""A small experiment on generated images, and its tools called in this process."""

import runpy
from pathlib import Path

from tests.support.classifier import write_pictures

TOOLS = Path(__file__).parents[2] / 'tools'
CONFIG = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(type='ClsDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3),
    backbone=dict(type='mmrobustprune.CIFARResNet', depth=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=3, in_channels=64, loss=dict(type='CrossEntropyLoss')
    ),
)
loader = dict(
    batch_size=8,
    num_workers=0,
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='CustomDataset',
        data_root='{data}',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    ),
)
train_dataloader = dict(loader, sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(loader, sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2),
    dict(type='MultiStepLR', milestones=[2, 3], gamma=0.1),
]
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=1)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1))
log_level = 'WARNING'
randomness = dict(seed=0)
"""
PRUNED = """
_base_ = './base.py'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='magnitude',
    target=0.4,
    warmup=0,
    rounds=1,
    interval=1,
    recalibrate='',
    measure=False,
    weigh='none',
)
"""
EXPERIMENT = """
title = 'Small'
base = './base.py'
methods = dict(
    magnitude=dict(config='./half.py'),
    sam=dict(
        config='./half.py',
        options={'robust_prune.rule.type': 'SAM', 'robust_prune.finetune_rule.type': 'SAM'},
    ),
)
epochs = 1
seeds = (0, 1)
size = (32, 32)
budget = dict(of='params', removed=0.4, within=0.05)
suite = 'imagenet-c-at-32'
subset = 6
attacks = {'pixel': '--attack fgsm --eps 8/255 --subset 6'}
"""


def write_experiment(folder, text=EXPERIMENT, images=12):
    """The configs, images and the file of a small experiment; its path."""
    data = write_pictures(folder / 'data', images, 'abc')
    (folder / 'base.py').write_text(CONFIG.replace('{data}', str(data)))
    (folder / 'half.py').write_text(PRUNED)
    (folder / 'small.py').write_text(text)
    return folder / 'small.py'


def call_here(tool, *words):
    """Run a tool in this process; its words as a command."""
    line = [str(word) for word in words]
    runpy.run_path(str(TOOLS / f'{tool}.py'))['main'](line)
    return ' '.join(['python', f'tools/{tool}.py', *line])
