"""What every image contributed to a metric, to compute the metric again over other images."""

from __future__ import annotations

import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from .curves import CURVES

_ELEMENTS = 1 << 21  # of a working array: 16 MB in double precision


class Evidence(ABC):
    """Outcomes per image of one evaluation; `images` is their number."""

    images: int

    @abstractmethod
    def metric(self, weights: np.ndarray) -> np.ndarray:
        """The metric over images taken `weights` times each.

        Args:
            weights: (B, images), whole numbers of at least 0; every row is one set of images.
        Returns:
            (B,) float64, in the evaluator's unit; a row of ones gives the evaluator's own number.
        Raises:
            ValueError: another shape, a negative number, or a row without any image.
        """

    def per_image(self) -> np.ndarray | None:
        """(images,) what each contributes where the metric is their mean; None where it is not."""
        return None

    def save(self, path: str | os.PathLike) -> None:
        """Write an .npz file of plain arrays under exactly this name."""
        with open(path, 'wb') as file:
            np.savez_compressed(
                file,
                kind=type(self).__name__,
                **{field.name: getattr(self, field.name) for field in fields(self)},
            )

    def _checked(self, weights: np.ndarray) -> np.ndarray:
        weights = np.asarray(weights, dtype=np.float32)
        if weights.ndim != 2 or weights.shape[1] != self.images:
            raise ValueError(
                f'weights are of shape {weights.shape} and there are {self.images} images; give '
                'one column each.'
            )
        if weights.size and (weights.min() < 0 or not weights.max(1).all()):
            raise ValueError(
                'a row of weights has a negative number or no image at all; give how often each '
                'image counts.'
            )
        return weights


@dataclass(frozen=True, eq=False)
class Hits(Evidence):
    """Classification; the metric is the accuracy in per cent.

    It is rounded to single precision as mmpretrain's is.

    Attributes:
        correct: (n,) bool, whether each image was recognised.
    """

    correct: np.ndarray

    @property
    def images(self) -> int:
        return len(self.correct)

    def per_image(self) -> np.ndarray:
        return 100.0 * self.correct

    def metric(self, weights: np.ndarray) -> np.ndarray:
        weights = self._checked(weights)
        columns = np.stack([self.correct, np.ones_like(self.correct)], 1).astype(np.float32)
        hits, all_of_them = (weights @ columns).T
        percent = 100.0 / all_of_them.astype(np.float64)
        return (hits * percent.astype(np.float32)).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Matches(Evidence):
    """Detection: which of D detections hit a true box; the metric is the mean average precision.

    Mean over classes with a true box, then over IoU thresholds, of the area under precision and
    recall by the rule `curve`. Order among equal scores is kept as stored.

    Attributes:
        image, label, score: (D,) of every detection; within a label from the highest score to the
            lowest. The order is what counts, the scores may be rounded.
        hit: (T, D) bool, true positive at each IoU threshold.
        ignored: (T, D) bool, neither right nor wrong (difficult or crowd boxes); what is neither
            hit nor ignored is wrong.
        truths: (n, C) how many true boxes of each class an image has, without the ignored ones.
        thresholds: (T,) IoU.
        curve: a name of `curves.CURVES`.
    """

    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    truths: np.ndarray
    thresholds: np.ndarray
    curve: str

    def __post_init__(self) -> None:
        object.__setattr__(self, 'curve', str(self.curve))
        if self.curve not in CURVES:
            raise ValueError(f"curve '{self.curve}' is unknown; choose among {', '.join(CURVES)}.")

    @property
    def images(self) -> int:
        return len(self.truths)

    def metric(self, weights: np.ndarray) -> np.ndarray:
        weights = np.ascontiguousarray(self._checked(weights).T)
        curve = CURVES[self.curve]
        truths = self.truths.T.astype(np.float32) @ weights
        precision = np.zeros((len(self.thresholds), *truths.shape), curve.dtype)
        for at, label, outcomes in self._outcomes():
            rows = max(1, _ELEMENTS // len(outcomes.right))
            for start in range(0, weights.shape[1], rows):
                part = slice(start, start + rows)
                precision[at, label, part] = curve.area(
                    *outcomes.weigh(weights[:, part]), truths[label, part]
                )
        return np.mean([_class_mean(one, truths > 0, curve.nothing) for one in precision], axis=0)

    def _outcomes(self) -> Iterator[tuple[int, int, _Outcomes]]:
        """Threshold by threshold and class by class, where there is a true positive."""
        order = np.argsort(self.label, kind='stable')
        ends = np.searchsorted(self.label[order], np.arange(self.truths.shape[1] + 1))
        for label, (start, end) in enumerate(zip(ends[:-1], ends[1:], strict=True)):
            chosen = order[start:end]
            for at in range(len(self.thresholds)):
                hit = self.hit[at, chosen]
                wrong = ~(hit | self.ignored[at, chosen])
                if hit.any():
                    yield at, label, _Outcomes.of(self.image[chosen], hit, wrong, self.images)


@dataclass(frozen=True, eq=False)
class _Outcomes:
    """True positives in falling order and the wrong detections before each.

    Average precision needs no more: a wrong detection changes precision only where the next true
    positive stands, so that the work grows with the K true positives and not with the detections.

    Attributes:
        right: (K,) image of every true positive.
        wrong: (K, n) sparse, how many wrong detections of each image stand between one true
            positive and the one before.
    """

    right: np.ndarray
    wrong: csr_matrix

    @classmethod
    def of(cls, image: np.ndarray, hit: np.ndarray, wrong: np.ndarray, images: int) -> _Outcomes:
        places = np.flatnonzero(hit)
        errors = np.flatnonzero(wrong)
        after = np.searchsorted(places, errors)
        counts = after < len(places)
        at = (after[counts], image[errors[counts]])
        ones = np.ones(counts.sum(), np.float32)
        return cls(image[places], csr_matrix((ones, at), shape=(len(places), images)))

    def weigh(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(K, B) counts of true positives up to each and of wrong detections before it.

        They are whole numbers, exact below 2^24.
        """
        return np.cumsum(weights[self.right], 0), np.cumsum(self.wrong @ weights, 0)


def _class_mean(precision: np.ndarray, there: np.ndarray, nothing: float) -> np.ndarray:
    """(C, B) to (B,) over the classes that are there, as a mean over a list of numbers is."""
    out = np.full(precision.shape[1], nothing)
    patterns, which = np.unique(there, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        rows = np.flatnonzero(which.ravel() == number)
        if pattern.any():
            out[rows] = np.ascontiguousarray(precision[np.ix_(pattern, rows)].T).mean(1)
    return out


_KINDS = {kind.__name__: kind for kind in (Hits, Matches)}


def load(path: str | os.PathLike) -> Evidence:
    """Read what `Evidence.save` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is cut short or something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'{path} is not there; evaluate that cell again to get its evidence.'
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        return _KINDS[str(arrays.pop('kind'))](**arrays)
    except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'{path} is no evidence of an evaluation or is cut short; remove it and evaluate that '
            'cell again.'
        ) from error
