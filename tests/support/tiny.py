"""A classifier that trains in seconds: parts of mmpretrain, images made from their index."""

import uuid
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmpretrain.datasets import BaseDataset


@DATASETS.register_module(force=True)
class TinyImages(BaseDataset):
    """Coloured noise whose mean colour tells the class."""

    METAINFO = dict(classes=('red', 'green', 'blue'))

    def __init__(self, length=48, size=16, **kwargs):
        self.length = length
        self.size = size
        super().__init__(ann_file='', **kwargs)

    def load_data_list(self):
        data = []
        for index in range(self.length):
            rng = np.random.default_rng(index)
            image = rng.integers(0, 120, (self.size, self.size, 3), dtype=np.uint8)
            image[..., index % 3] += 90
            data.append(
                dict(
                    img=image,
                    img_shape=image.shape[:2],
                    ori_shape=image.shape[:2],
                    gt_label=index % 3,
                    sample_idx=index,
                )
            )
        return data


def classifier(work_dir, epochs=4, batch=8, workers=0, seed=3, **changes):
    """A ResNet-18 of eighth width on TinyImages: 6 iterations an epoch."""
    loader = dict(
        batch_size=batch,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=dict(type='default_collate'),
    )
    train = dict(
        type='TinyImages',
        pipeline=[
            dict(type='RandomCrop', crop_size=16, padding=2),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ],
    )
    test = dict(type='TinyImages', length=24, pipeline=[dict(type='PackInputs')])
    config = dict(
        default_scope='mmpretrain',
        work_dir=str(work_dir),
        custom_imports=dict(imports=['tests.support.tiny']),
        model=dict(
            type='ImageClassifier',
            backbone=dict(
                type='ResNet_CIFAR',
                depth=18,
                stem_channels=8,
                base_channels=8,
                num_stages=4,
                out_indices=(3,),
                style='pytorch',
            ),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(
                type='LinearClsHead',
                num_classes=3,
                in_channels=64,
                loss=dict(type='CrossEntropyLoss'),
                topk=(1,),
            ),
        ),
        data_preprocessor=dict(num_classes=3, mean=[100.0] * 3, std=[60.0] * 3, to_rgb=False),
        train_dataloader=dict(
            loader, dataset=train, sampler=dict(type='DefaultSampler', shuffle=True)
        ),
        val_dataloader=dict(
            loader, dataset=test, sampler=dict(type='DefaultSampler', shuffle=False)
        ),
        test_dataloader=dict(
            loader, dataset=test, sampler=dict(type='DefaultSampler', shuffle=False)
        ),
        val_evaluator=dict(type='Accuracy', topk=(1,)),
        test_evaluator=dict(type='Accuracy', topk=(1,)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4)),
        param_scheduler=dict(
            type='CosineAnnealingLR', by_epoch=True, T_max=epochs, convert_to_iter_based=True
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1),
        val_cfg=dict(),
        test_cfg=dict(),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=2),
            checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=True),
        ),
        randomness=dict(seed=seed),
        log_level='WARNING',
    )
    config.update(changes)
    return quick(config)


def quick(config):
    """Without formatting, which takes seconds a checkpoint, and under a name of its own.

    mmengine's name is the second it starts in.
    """
    return Config(dict(config, experiment_name=uuid.uuid4().hex), format_python_code=False)


def pruned(config, **recipe):
    """The same config under a recipe that fits its few iterations."""
    config = quick(config.to_dict())
    config.runner_type = 'mmrobustprune.PruneRunner'
    config.robust_prune = dict(
        dict(recipe='adasap', target=0.5, warmup='1 epochs', rounds=3, interval=2), **recipe
    )
    return config


def detector(work_dir, data_root, epochs=3, workers=0, seed=3, **changes):
    """The SSD of the quick start on 24 pictures of 96 pixels: 6 iterations an epoch."""
    config = Config.fromfile(Path(__file__).parents[2] / 'configs' / 'shapes' / 'ssd-r18_shapes.py')
    for name in ('train', 'val', 'test'):
        loader = config[f'{name}_dataloader']
        loader.update(batch_size=4, num_workers=workers, persistent_workers=workers > 0)
        loader.dataset.update(
            data_root=str(data_root), generate=dict(train=24, test=8, size=96, seed=0)
        )
        for step in loader.dataset.pipeline:
            if step.type == 'Resize':
                step.scale = (96, 96)
    config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs)
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=6)
    ]
    config.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    config.randomness = dict(seed=seed)
    config.log_level = 'WARNING'
    config.work_dir = str(work_dir)
    config.merge_from_dict(changes)
    return quick(config.to_dict())
