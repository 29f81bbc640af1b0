"""Average precision from counts along a ranking, by the rules of Pascal VOC and COCO.

Every rule takes B weightings at once: `right` and `wrong`, (K, B) counts of true and false
positives at the K true positives of a ranking, and `truths` (B,), the number of true boxes; it
gives (B,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_TINY = np.finfo(np.float32).eps
_HUNDREDTHS = np.linspace(0, 1, 101)


def _best_from_here(precision: np.ndarray) -> np.ndarray:
    """The highest precision at this recall or a higher one."""
    return np.maximum.accumulate(precision[::-1], 0)[::-1]


def _single(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Precision in single precision, as mmdet's Pascal VOC evaluation has it."""
    return _best_from_here(right / np.maximum(right + wrong, _TINY))


def _recall(right: np.ndarray, truths: np.ndarray) -> np.ndarray:
    return right / np.maximum(truths, _TINY).astype(np.float64)


def area(right: np.ndarray, wrong: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """The area under precision over recall (Pascal VOC since 2010)."""
    steps = np.diff(_recall(right, truths), axis=0, prepend=0)
    return np.einsum('kb,kb->b', steps, _single(right, wrong).astype(np.float64)).astype(np.float32)


def eleven_points(right: np.ndarray, wrong: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """The mean of precision at recall 0, .1, ... 1 (Pascal VOC 2007)."""
    recall = _recall(right, truths)
    best = _single(right, wrong)
    best = np.concatenate([best, np.zeros_like(best[:1])])  # a recall that is never reached
    total = np.zeros(best.shape[1], np.float32)
    for threshold in np.arange(0, 1 + 1e-3, 0.1):
        first = np.count_nonzero(recall < threshold, axis=0)
        total += np.take_along_axis(best, first[None], 0)[0]
    return total / np.float32(11)


def hundred_one_points(right: np.ndarray, wrong: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """The mean of precision at recall 0, .01, ... 1 (COCO).

    Every true positive stands for the points that it reaches first.
    """
    right = right.astype(np.float64)
    wrong = wrong.astype(np.float64)
    best = _best_from_here(right / (wrong + right + np.spacing(1)))
    recall = right / np.maximum(truths, 1)
    last = np.minimum((100 * recall).astype(np.intp), 100)
    last += _HUNDREDTHS[np.minimum(last + 1, 100)] <= recall  # 100 * .29 is 28.999...
    last -= _HUNDREDTHS[np.minimum(last, 100)] > recall
    points = np.diff(np.minimum(last, 100) + 1, axis=0, prepend=0)
    return np.einsum('kb,kb->b', points.astype(np.float64), best) / 101


@dataclass(frozen=True)
class Curve:
    """A rule.

    Attributes:
        area: average precision of one class.
        dtype: its precision.
        nothing: the mean over classes where no class has a true box.
    """

    area: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    dtype: type
    nothing: float


CURVES = {
    'area': Curve(area, np.float32, 0.0),
    '11points': Curve(eleven_points, np.float32, 0.0),
    '101points': Curve(hundred_one_points, np.float64, -1.0),
}
