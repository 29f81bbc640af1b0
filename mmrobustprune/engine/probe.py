"""An example input, and the forward call that a dependency trace or an export makes with it."""
from __future__ import annotations

from typing import Any

import torch
from mmengine.model import is_model_wrapper
from torch import nn


def unwrap(model: nn.Module) -> nn.Module:
    """The network inside a data-parallel wrapper."""
    return model.module if is_model_wrapper(model) else model


def tensor_forward(model: nn.Module, example: dict) -> Any:
    """Raw outputs (`mode='tensor'`): logits of a classifier, head outputs of a detector."""
    return model(**example, mode='tensor')


def example_of(model: nn.Module, dataset, collate_fn) -> dict:
    """The first sample of a data set as the network receives it: `inputs` (1, 3, H, W) and `data_samples`."""
    batch = collate_fn([dataset[0]])
    data = unwrap(model).data_preprocessor(batch, False)
    return dict(inputs=data['inputs'], data_samples=data['data_samples'])


def example_of_shape(model: nn.Module, height: int, width: int) -> dict:
    """A random image of the given size (pixels), with the meta data detectors ask for."""
    model = unwrap(model)
    parameter = next(model.parameters())
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height, width, generator=generator)
    return dict(inputs=image.to(parameter), data_samples=[_sample(model, height, width)])


def _sample(model: nn.Module, height: int, width: int) -> Any:
    size = (height, width)
    meta = dict(img_id=0, img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size, scale_factor=(1.0, 1.0))
    if type(model).__module__.startswith('mmdet'):
        from mmdet.structures import DetDataSample
        from mmengine.structures import InstanceData
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
        return sample
    from mmpretrain.structures import DataSample
    return DataSample(metainfo=meta).set_gt_label(0)

