"""Random images with labels of every kind, which no file has to be read for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from torch.utils.data import Dataset

from mmrobustprune.registry import DATASETS

COUNT = 2  # one batch: a training asks the loss of every sample for each group of channels


@DATASETS.register_module()
class RandomSamples(Dataset):
    """Samples as the last transform of a pipeline packs them, each always the same.

    Args:
        kind: 'mmdet' or 'mmpretrain', whose samples they are.
        size: height and width, pixels.
        channels: of the images.
        several: whether a classified image has several labels.
    """

    metainfo = dict(classes=('thing',))

    def __init__(self, kind: str, size: int, channels: int = 3, several: bool = False) -> None:
        self.kind = kind
        self.size = size
        self.channels = channels
        self.several = several

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(index)
        shape = (self.channels, self.size, self.size)
        image = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
        make = detection_sample if self.kind == 'mmdet' else self._classification
        return dict(inputs=image, data_samples=make(self.size))

    def _classification(self, size: int) -> Any:
        from mmpretrain.structures import DataSample, MultiTaskDataSample  # noqa: F401

        label = [0, 1] if self.several else 0
        return DataSample(metainfo=dict(img_shape=(size, size))).set_gt_label(label)


def detection_sample(size: int) -> Any:
    """Two objects with boxes, masks and semantic labels, and proposals round them."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    shape = (size, size)
    sample = DetDataSample(
        metainfo=dict(
            img_id=0,
            img_path='random.jpg',
            img_shape=shape,
            ori_shape=shape,
            pad_shape=shape,
            batch_input_shape=shape,
            scale_factor=(1.0, 1.0),
            flip=False,
        )
    )
    boxes = size * torch.tensor([[10, 10, 50, 60], [40, 30, 90, 90]]) / 100
    masks = np.zeros((2, size, size), np.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.long().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    labels = torch.zeros(2, dtype=torch.long)
    sample.gt_instances = InstanceData(
        bboxes=boxes, labels=labels, masks=BitmapMasks(masks, size, size)
    )
    sample.ignored_instances = InstanceData(
        bboxes=torch.zeros(0, 4), labels=labels[:0], masks=BitmapMasks(masks[:0], size, size)
    )
    sample.gt_sem_seg = PixelData(sem_seg=torch.zeros(1, size, size, dtype=torch.long))
    sample.proposals = InstanceData(bboxes=boxes + 2, scores=torch.ones(2))
    return sample
