"""A small mmpretrain classifier and a folder of images for it."""

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

MEAN = (120.0, 110.0, 100.0)
STD = (50.0, 60.0, 70.0)  # RGB


def write_pictures(folder, count=20, classes='abcde', side=32, seed=0):
    """`count` random PNG files in a folder per class."""
    for index in range(count):
        place = folder / classes[index % len(classes)]
        place.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng((seed, index)).integers(
            0, 256, (side, side, 3), dtype=np.uint8
        )
        cv2.imwrite(str(place / f'{index:03}.png'), image)
    return folder


def write_config(
    folder,
    data,
    classes=5,
    pipeline='dict(type="LoadImageFromFile"), dict(type="PackInputs")',
    batch_size=8,
):
    """A config file of a ResNet-8 that normalises RGB while the files are read as BGR."""
    path = folder / 'small.py'
    path.write_text(f"""
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(type='ClsDataPreprocessor', mean={MEAN}, std={STD}, to_rgb=True),
    backbone=dict(type='mmrobustprune.CIFARResNet', depth=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes={classes}, in_channels=64))
test_dataloader = dict(
    batch_size={batch_size}, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CustomDataset', data_root='{data}', test_mode=True, pipeline=[{pipeline}]))
test_evaluator = dict(type='Accuracy', topk=(1,))
test_cfg = dict()
""")
    return path


def write_weights(config, path, seed=0):
    """A checkpoint with random weights whose logits are far from equal; the path and the model."""
    config = Config.fromfile(config)
    init_default_scope('mmpretrain')
    torch.manual_seed(seed)
    model = MODELS.build(config.model)
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        torch.nn.init.normal_(norm.running_mean, std=0.3)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    torch.nn.init.normal_(model.head.fc.weight)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    model.eval()
    return path, model
