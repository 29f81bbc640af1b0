"""Metric values before anybody rounds them, what they are made of, and which of them counts."""

from __future__ import annotations

import copy
import io
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field

import numpy as np
from mmengine.evaluator import DumpResults, Evaluator
from mmengine.logging import print_log

from mmrobustprune.corruption import Suite, default_suite
from mmrobustprune.corruption.evidence import Evidence
from mmrobustprune.corruption.suites import TINY

from .capture import recorded
from .capture_classification import AccuracyRecord, SingleLabelRecord
from .capture_detection import CocoRecord, VOCRecord

# of pascal_voc/, coco/ and accuracy/; the first that is evaluated counts
MAIN = ('AP50', 'mAP', 'bbox_mAP', 'segm_mAP', 'top1')
COCO_NAMES = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
_RECORDS = dict(
    VOCMetric=VOCRecord,
    CocoMetric=CocoRecord,
    Accuracy=AccuracyRecord,
    SingleLabelMetric=SingleLabelRecord,
)
Sizes = Mapping[tuple[int, int], int]  # (height, width) in pixels -> number of images


def main_metric(metrics: Mapping[str, float], asked: str | None = None) -> str:
    """The key of the value that P, mPC and rPC are made of.

    Raises:
        ValueError: `asked` is not there, or none of the usual ones is.
    """
    if asked is not None:
        if asked in metrics:
            return asked
        raise ValueError(f"metric '{asked}' is not evaluated; choose among {', '.join(metrics)}.")
    for name in MAIN:
        for key in metrics:
            if key.rsplit('/', 1)[-1] == name:
                return key
    raise ValueError(
        f'none of {", ".join(MAIN)} is evaluated; name one of {", ".join(metrics)} as '
        'robust_eval.metric.'
    )


def suite_name(
    evaluator: Evaluator, sizes: Sizes, dataset: str = '', published: bool = False
) -> str:
    """The suite that suite='auto' means for an evaluator and the sizes of the images.

    Args:
        evaluator: whose metrics say what kind of data it is.
        sizes: a suite for 32x32 images is meant where more than half of them are of that size.
        dataset: name of the data set's class.
        published: the corrupted images are read from a published set.
    Raises:
        ValueError: no metric of VOC, COCO or classification.
    """
    size = _usual_size(sizes)
    for metric in evaluator.metrics:
        for base in type(metric).__mro__:
            suite = default_suite(base.__name__, dataset, *size, published)
            if suite is not None:
                return suite.name
    names = ', '.join(type(metric).__name__ for metric in evaluator.metrics)
    raise ValueError(
        f'no suite goes with {names} by itself; set robust_eval.suite to '
        "'voc-c', 'coco-c', 'imagenet-c' or 'imagenet-c-uncropped'."
    )


def _usual_size(sizes: Sizes) -> tuple[int, int]:
    """32x32 where more than half of the images have it, else the most frequent other one."""
    if 2 * sizes.get(TINY, 0) > sum(sizes.values()):
        return TINY
    return max((size for size in sizes if size != TINY), key=sizes.get, default=(0, 0))


def check_sizes(suite: Suite, sizes: Sizes) -> None:
    """Refuse a suite that is not for most of the images; say where it is not for some.

    Raises:
        ValueError: more than half of the images have a size that the suite's name is not for.
    """
    refused: Counter[str] = Counter()
    for (height, width), count in sizes.items():
        try:
            suite.check(height, width)
        except ValueError as error:
            refused[str(error)] += count
    wrong = sum(refused.values())
    total = sum(sizes.values())
    if not wrong:
        return
    reason = refused.most_common(1)[0][0]
    number = f'{wrong} of {total} images do not go with the suite: ' if len(sizes) > 1 else ''
    if 2 * wrong > total:
        raise ValueError(f'{number}{reason}')
    print_log(f'{number}{reason}', 'current', logging.WARNING)


def fresh_copy(evaluator: Evaluator) -> Evaluator:
    """An evaluator for one corrupted cell: no results yet, no dump of predictions.

    The annotations are shared.
    """
    apis = [getattr(metric, '_coco_api', None) for metric in evaluator.metrics]
    out = copy.deepcopy(evaluator, {id(api): api for api in apis if api is not None})
    out.metrics = [metric for metric in out.metrics if not isinstance(metric, DumpResults)]
    return out


@dataclass(frozen=True)
class Evaluated:
    """One evaluation.

    Attributes:
        metrics: every number of the evaluator, unrounded.
        main: the main metric's key; None where none is evaluated.
        per_class: the main metric class by class, unrounded, on the first process alone; classes
            without an image or box are left out.
        evidence: what every image contributed to the main metric, on the first process alone;
            None where it is no metric of that kind.
    """

    metrics: dict[str, float]
    main: str | None = None
    per_class: dict[str, float] = field(default_factory=dict)
    evidence: Evidence | None = None


def evaluate_all(evaluator: Evaluator, size: int, metric: str | None = None) -> Evaluated:
    """The evaluator's numbers and what they are made of.

    COCO's are zero where a detector found nothing at all, and NaN, not -1, where there is nothing
    to find.

    Args:
        evaluator: has seen the data set.
        size: images in the data set.
        metric: the main one; None takes the usual one.
    """
    quiet = redirect_stdout(io.StringIO())  # pycocotools prints a table
    with recorded(evaluator, _RECORDS) as records, quiet:
        metrics = dict(evaluator.evaluate(size))
        for one in evaluator.metrics:
            if hasattr(one, '_coco_api'):
                metrics = _coco_completed(metrics, one.prefix, one.metrics)
        try:
            key = main_metric(metrics, metric)
        except ValueError:
            return Evaluated(metrics)
        readings = [record.read(key) for record in records]
    per_class, evidence = next(filter(None, readings), ({}, None))
    if evidence and not _agrees(evidence, key, metrics[key]):
        evidence = None
    return Evaluated(metrics, key, per_class, evidence)


def _coco_completed(
    metrics: Mapping[str, float], prefix: str, kinds: Iterable[str]
) -> dict[str, float]:
    """Zero where CocoMetric gives no value, that of an empty list, and NaN where it gives -1."""
    found = dict(metrics)
    if not any(key.startswith(f'{prefix}/') for key in found):
        for kind in kinds:
            if kind in ('bbox', 'segm'):
                found |= {f'{prefix}/{kind}_{name}': 0.0 for name in COCO_NAMES}
    for key, value in found.items():
        if key.startswith(f'{prefix}/') and value < 0:
            found[key] = math.nan
    return found


def evaluate(evaluator: Evaluator, size: int) -> dict[str, float]:
    """The numbers of `evaluate_all` alone."""
    return evaluate_all(evaluator, size).metrics


def _agrees(evidence: Evidence, key: str, value: float) -> bool:
    """Whether the evidence gives the number, which a changed metric may make in another way."""
    again = evidence.metric(np.ones((1, evidence.images)))[0]
    if abs(again - value) <= 1e-6 * max(1, abs(value)):
        return True
    print_log(
        f'{key} is {value:.6g} and the outcomes of the images give {again:.6g}; they are not kept, '
        'and no intervals can be given.',
        'current',
        logging.WARNING,
    )
    return False
