"""The forward calls in which the structure of a network shows, by the class of the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmrobustprune.dependency.partial import PartialForward
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.flags import flags_restored


@dataclass(frozen=True)
class TrainedForward:
    """A forward of all that a training runs, where a test runs less of the network.

    Attributes:
        run: with it the network is traced, certified and counted.
        full: as in a test.
    """

    run: Forward
    full: Forward

    def __call__(self, model: nn.Module, example: Any) -> Any:
        return self.run(model, example)


def plain(model: nn.Module, example: dict) -> Any:
    """The model's own tensor forward."""
    with everywhere(model):
        return model(**example, mode='tensor')


def rpn(model: nn.Module, example: dict) -> Any:
    """Outputs of a detector that is a first stage alone."""
    features = model.extract_feat(example['inputs'])
    with everywhere(model):
        return first_stage(model.bbox_head, features, example['data_samples'])


def yolact(model: nn.Module, example: dict) -> Any:
    """The tensor forward, with the branch that only the training loss of mmdet's `YOLACT` reads."""
    with flags_restored(model.mask_head):
        model.mask_head.training = True  # itself alone: its layers go on as in a test
        return plain(model, example)


def retriever(model: nn.Module, example: dict) -> Any:
    """What the head of mmpretrain's `ImageToImageRetriever` makes of the embedding.

    Embeddings are compared by their angles, to which a channel of zeros adds nothing, with others
    of the same network: they can be narrower, and the head says what is read of them.
    """
    embedding = plain(model, example)
    return embedding if model.head is None else model.head(embedding)


def solo(model: nn.Module, example: dict, side: int) -> Any:
    """The tensor forward of mmdet's `SOLO` and `SOLOv2`, with at most `side` x `side` cells.

    Their heads compute on grids of a fixed size, however small an image is.
    """
    head = model.mask_head
    grids = head.num_grids
    head.num_grids = [min(cells, side) for cells in grids]
    try:
        return plain(model, example)
    finally:
        head.num_grids = grids


def two_stage(model: nn.Module, example: dict, count: int) -> tuple:
    """Outputs of all heads of mmdet's `TwoStageDetector`, the second stage on `count` fixed boxes.

    Its own boxes pass through a selection that hides the first stage and flips with the last bit.
    Masks are taken where they are made: some heads merge them into arrays, or drop them.
    """
    samples = example['data_samples']
    features = model.extract_feat(example['inputs'])
    boxes = spread_boxes(example['inputs'], count)
    with logits_of(model) as logits, everywhere(model):
        first = first_stage(model.rpn_head, features, samples) if model.with_rpn else ()
        proposals = [InstanceData(bboxes=boxes) for _ in samples]
        second = model.roi_head.forward(features, proposals, samples)
        if hasattr(model, 'semantic_head'):
            model.semantic_head(features)
    if hasattr(model.roi_head, 'point_head'):
        logits.append(_points(model.roi_head, features, boxes, second[-1]))
    return first, second, logits


def sparse(model: nn.Module, example: dict, count: int) -> list[Tensor]:
    """Outputs of every stage of mmdet's `SparseRCNN` on `count` fixed boxes.

    Each stage reads the object features that the one before it made.
    """
    samples = example['data_samples']
    features = model.extract_feat(example['inputs'])
    objects = torch.stack(
        [one.features[:count] for one in model.rpn_head.predict(features, samples)]
    )
    rois = _rois(spread_boxes(example['inputs'], count), len(samples))
    metas = [sample.metainfo for sample in samples]
    head = model.roi_head
    outputs = []
    for stage in range(head.num_stages):
        found = head._bbox_forward(stage, features, rois, objects, metas)
        objects = found['object_feats']
        outputs += [found['cls_score'], found['decoded_bboxes']]
        if head.with_mask:
            told = found['attn_feats'].flatten(0, 1)
            outputs.append(head._mask_forward(stage, features, rois, told)['mask_preds'])
    return outputs


def first_stage(head: nn.Module, features: tuple[Tensor, ...], samples: list) -> Any:
    """Raw outputs of the head that proposes boxes."""
    for kind in type(head).__mro__:
        if kind.__name__ in FIRST_STAGES:
            return FIRST_STAGES[kind.__name__](head, features, samples)
    return head(features)


def _cascade(head: nn.Module, features: tuple[Tensor, ...], samples: list) -> list:
    """Every stage of mmdet's `CascadeRPNHead`, each round the anchors of the first one."""
    sizes = [one.shape[-2:] for one in features]
    metas = [sample.metainfo for sample in samples]
    anchors, _ = head.stages[0].get_anchors(sizes, metas, device=features[0].device)
    outputs = []
    for stage in head.stages:
        offsets = None
        if stage.adapt_cfg['type'] == 'offset':
            offsets = stage.anchor_offset(anchors, stage.anchor_strides, sizes)
        features, *found = stage(features, offsets)
        outputs.append(found)
    return outputs


def _points(head: nn.Module, features: tuple, boxes: Tensor, masks: Tensor) -> Tensor:
    """Outputs of PointRend's point head at four places of every box with a mask."""
    from mmcv.ops import point_sample

    corners = torch.tensor([[0.2, 0.3], [0.7, 0.2], [0.4, 0.8], [0.6, 0.6]]).to(boxes)
    points = corners.expand(len(masks), -1, -1)
    rois = _rois(boxes[: len(masks)], 1)
    fine = head._get_fine_grained_point_feats(x=features, rois=rois, rel_roi_points=points)
    return head.point_head(fine, point_sample(masks, points))


@contextmanager
def logits_of(model: nn.Module) -> Iterator[list[Tensor]]:
    """What mask and semantic heads predict inside, in the order of the calls."""
    found: list[Tensor] = []
    with ExitStack() as stack:
        for name, layer in model.named_modules():
            if name.endswith('.conv_logits'):
                hook = layer.register_forward_hook(lambda _, args, output: found.append(output))
                stack.callback(hook.remove)
        yield found


@contextmanager
def everywhere(model: nn.Module) -> Iterator[None]:
    """Inside, guided anchoring computes at every place, as it does in training.

    What it leaves out otherwise depends on a threshold, and is left out on a GPU alone.
    """
    with ExitStack() as stack:
        for layer in model.modules():
            if type(layer).__name__ == 'MaskedConv2d':
                hook = layer.register_forward_pre_hook(lambda _, args: args[:1])
                stack.callback(hook.remove)
        yield


def _rois(boxes: Tensor, images: int) -> Tensor:
    """The same boxes (n, 4) in every image as (images * n, 5), the number of the image first."""
    numbers = torch.arange(images).to(boxes).repeat_interleave(len(boxes))
    return torch.cat([numbers[:, None], boxes.repeat(images, 1)], 1)


def spread_boxes(images: Tensor, count: int) -> Tensor:
    """`count` boxes (count, 4), x1 y1 x2 y2 in pixels, of all sizes over images (N, C, H, W)."""
    height, width = images.shape[-2:]
    steps = torch.arange(count).to(images)
    side = 16 * 2 ** (steps % 5)
    x = (steps * 37) % width
    y = (steps * 61) % height
    return torch.stack([x, y, (x + side).clamp(max=width), (y + side).clamp(max=height)], 1)


def _proposals(model: nn.Module) -> int:
    """Boxes of one image that the second stage gets in a test."""
    return (model.test_cfg.get('rpn') or {}).get('max_per_img', 1000)


def _cells(model: nn.Module) -> int:
    return max(model.mask_head.num_grids)


def _objects(model: nn.Module) -> int:
    return model.rpn_head.num_proposals


# The class of a head that proposes boxes, or a base of it -> its outputs.
FIRST_STAGES = dict(CascadeRPNHead=_cascade)

# The class of a network, or a base of it, by name -> the forward of its structure.
FORWARDS: dict[str, Forward] = dict(
    # masks are predicted of all boxes or of the first 100
    TwoStageDetector=PartialForward(two_stage, _proposals, small=8, even=101),
    SparseRCNN=PartialForward(sparse, _objects, small=8, even=8),
    # what is computed grows with the square of the side: it is counted at the whole one
    SOLO=PartialForward(solo, _cells, small=6, even=10**6),
    SOLOv2=PartialForward(solo, _cells, small=6, even=10**6),
    RPN=rpn,
    ImageToImageRetriever=TrainedForward(retriever, full=plain),
    YOLACT=yolact,
)
