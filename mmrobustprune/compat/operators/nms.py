"""Suppression of overlapping boxes: hard, soft, and with a record of what suppressed what."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision import ops

from .precision import wide

OPERATORS = ('nms', 'softnms', 'nms_match')


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy suppression of every box whose IoU with a better one exceeds the threshold.

    Equal scores are taken in mmcv's order, which is that of torch's plain sort; torchvision's own
    is another.

    Args:
        boxes: (N, 4), x1, y1, x2, y2 in pixels.
        scores: (N,).
        iou_threshold: compared in float32, as mmcv does.
        offset: 1 where a box from 3 to 5 is 3 pixels wide, else 0.

    Returns:
        (K,) indices of the kept boxes by descending score.
    """
    boxes = wide(boxes)
    far = boxes + boxes.new_tensor([0, 0, offset, offset])
    order = scores.sort(descending=True).indices
    ranks = torch.arange(len(order), 0, -1, device=boxes.device).to(boxes.dtype)
    return order[ops.nms(far[order], ranks, _single(iou_threshold))]


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al., ICCV 2017): overlapping boxes lose score and go below a minimum.

    A score is multiplied by 0 (method 0) or 1 - IoU (1) where IoU reaches the threshold, or by
    exp(-IoU^2 / sigma) (2), once for each better box. The order in which equal scores are taken is
    mmcv's: the first in a list in which the chosen box and the one at its place, a dropped box and
    the last, change places.

    Args:
        boxes: (N, 4) on the CPU.
        scores: (N,).
        dets: (N, 5), gets the kept boxes and their scores in its first K rows.

    Returns:
        (K,) indices of the kept boxes in the order of `dets`.
    """
    rows = torch.cat([boxes, scores[:, None]], 1)
    indices = torch.arange(len(rows))
    first = 0
    while first < len(rows):
        best = first + int(rows[first:, 4].argmax())
        swapped = [best, first]
        rows[[first, best]] = rows[swapped]
        indices[[first, best]] = indices[swapped]
        overlap = _iou(rows[first, :4], rows[first + 1 :, :4], offset)
        rows[first + 1 :, 4] *= _decay(overlap, iou_threshold, sigma, method)
        first += 1
        order = _without(rows[:, 4] < min_score, first)
        rows = rows[order]
        indices = indices[order]
    dets[: len(rows)] = rows
    return indices


def _decay(overlap: Tensor, threshold: float, sigma: float, method: int) -> Tensor:
    if method == 2:
        return torch.exp(-(overlap * overlap) / sigma)
    left = 1 - overlap if method == 1 else torch.zeros_like(overlap)
    return torch.where(overlap >= _single(threshold), left, torch.ones_like(overlap))


def _without(low: Tensor, first: int) -> Tensor:
    """Places of what stays, from `first` on: the last that stay fill the places of dropped ones."""
    stays = ~low
    stays[:first] = True
    count = int(stays.sum())
    order = torch.arange(count)
    holes = (~stays[:count]).nonzero().flatten()
    movers = count + stays[count:].nonzero().flatten()
    order[holes] = movers.flip(0)
    return order


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Greedy suppression from the threshold on: each kept box and those it suppressed, best first.

    Args:
        dets: (N, 5), boxes and scores, on the CPU.
    """
    order = dets[:, 4].sort(descending=True).indices
    boxes = dets[order, :4]
    left = torch.arange(len(boxes))
    groups = []
    while len(left):
        best, rest = left[0], left[1:]
        suppressed = _iou(boxes[best], boxes[rest], 0) >= _single(iou_threshold)
        groups.append(order[torch.cat([left[:1], rest[suppressed]])].tolist())
        left = rest[~suppressed]
    return groups


def _iou(box: Tensor, others: Tensor, offset: int) -> Tensor:
    low = torch.maximum(box[:2], others[:, :2])
    high = torch.minimum(box[2:], others[:, 2:])
    shared = (high - low + offset).clamp(min=0).prod(1)
    own = (box[2:] - box[:2] + offset).prod()
    theirs = (others[:, 2:] - others[:, :2] + offset).prod(1)
    return shared / (own + theirs - shared)


def _single(threshold: float) -> float:
    """The nearest float32."""
    return torch.tensor(threshold, dtype=torch.float32).item()
