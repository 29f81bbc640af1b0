"""Suppression of overlapping boxes: hard, soft, and with a record of what suppressed what."""

from __future__ import annotations

import numpy as np
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
    return order[ops.nms(far[order], ranks, float(np.float32(iou_threshold)))]


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
    rows = torch.cat([wide(boxes), wide(scores)[:, None]], 1).numpy()
    indices = np.arange(len(rows))
    first = 0
    while first < len(rows):
        best = first + rows[first:, 4].argmax()
        rows[[first, best]] = rows[[best, first]]
        indices[[first, best]] = indices[[best, first]]
        overlap = _iou(rows[first], rows[first + 1 :], offset)
        rows[first + 1 :, 4] *= _decay(overlap, iou_threshold, sigma, method)
        first += 1
        stays = rows[:, 4] >= min_score
        stays[:first] = True
        if not stays.all():
            order = _filled_from_the_end(stays)
            rows = rows[order]
            indices = indices[order]
    dets[: len(rows)] = torch.from_numpy(rows)
    return torch.from_numpy(indices)


def _decay(overlap: np.ndarray, threshold: float, sigma: float, method: int) -> np.ndarray:
    if method == 2:
        return np.exp(-(overlap * overlap) / sigma)
    left = 1 - overlap if method == 1 else 0
    return np.where(overlap >= np.float32(threshold), left, 1)


def _filled_from_the_end(stays: np.ndarray) -> np.ndarray:
    """Places of what stays, in mmcv's order: the last ones fill the places of dropped ones."""
    count = stays.sum()
    order = np.arange(count)
    order[~stays[:count]] = count + np.flatnonzero(stays[count:])[::-1]
    return order


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Greedy suppression from the threshold on: each kept box and those it suppressed, best first.

    Args:
        dets: (N, 5), boxes and scores, on the CPU.
    """
    order = dets[:, 4].sort(descending=True).indices.numpy()
    boxes = wide(dets).numpy()[order]
    left = np.arange(len(boxes))
    groups = []
    while len(left):
        best = left[0]
        rest = left[1:]
        suppressed = _iou(boxes[best], boxes[rest], 0) >= np.float32(iou_threshold)
        groups.append(order[[best, *rest[suppressed]]].tolist())
        left = rest[~suppressed]
    return groups


def _iou(box: np.ndarray, others: np.ndarray, offset: int) -> np.ndarray:
    """IoU of a row x1, y1, x2, y2, ... with others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:4], others[:, 2:4])
    shared = (high - low + offset).clip(min=0).prod(1)
    own = (box[2] - box[0] + offset) * (box[3] - box[1] + offset)
    theirs = (others[:, 2] - others[:, 0] + offset) * (others[:, 3] - others[:, 1] + offset)
    return shared / (own + theirs - shared)
