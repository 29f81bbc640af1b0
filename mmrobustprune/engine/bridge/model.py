"""An example input, and the forward call that a dependency trace or an export makes with it."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmrobustprune.rng import preserved_rng


def unwrap(model: nn.Module) -> nn.Module:
    """The network inside a data-parallel wrapper."""
    return model.module if is_model_wrapper(model) else model


def tensor_forward(model: nn.Module, example: dict) -> Any:
    """Raw outputs (`mode='tensor'`): logits of a classifier, head outputs of a detector.

    A two-stage detector's second stage sees fixed boxes: its own proposals pass through a selection that hides the first
    stage and flips with the last bit.
    """
    if not is_two_stage(model):
        return model(**example, mode='tensor')
    features = model.extract_feat(example['inputs'])
    boxes = spread_boxes(example['inputs'], model.test_cfg.rpn.max_per_img)
    proposals = [InstanceData(bboxes=boxes) for _ in example['data_samples']]
    return model.rpn_head(features), model.roi_head.forward(
        features, proposals, example['data_samples']
    )


def is_two_stage(model: nn.Module) -> bool:
    """Whether boxes are selected between two heads."""
    return (
        getattr(model, 'rpn_head', None) is not None
        and getattr(model, 'roi_head', None) is not None
    )


def spread_boxes(images: Tensor, count: int) -> Tensor:
    """`count` boxes (count, 4), x1 y1 x2 y2 in pixels, of all sizes over images (N, 3, H, W)."""
    height, width = images.shape[-2:]
    steps = torch.arange(count).to(images)
    side = 16 * 2 ** (steps % 5)
    x, y = (steps * 37) % width, (steps * 61) % height
    return torch.stack([x, y, (x + side).clamp(max=width), (y + side).clamp(max=height)], 1)


def example_of(model: nn.Module, loader: Any) -> dict:
    """The first sample behind a loader as the network receives it: `inputs` (1, 3, H, W) and `data_samples`.

    Random generators stand afterwards where they stood.
    """
    with preserved_rng():
        batch = loader.collate_fn([loader.dataset[0]])
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
    meta = dict(
        img_id=0,
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        batch_input_shape=size,
        scale_factor=(1.0, 1.0),
    )
    if type(model).__module__.startswith('mmdet'):
        from mmdet.structures import DetDataSample

        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
        )
        return sample
    from mmpretrain.structures import DataSample

    return DataSample(metainfo=meta).set_gt_label(0)


def example_batch(model: nn.Module, height: int, width: int, batch: int) -> dict:
    """A random batch of images of one size (pixels), with the meta data detectors ask for."""
    one = example_of_shape(model, height, width)
    return dict(
        inputs=one['inputs'].repeat(batch, 1, 1, 1), data_samples=one['data_samples'] * batch
    )
