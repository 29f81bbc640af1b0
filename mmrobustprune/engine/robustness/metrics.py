"""Metric values as they are before anybody rounds them, what they are made of, and which of them counts."""

from __future__ import annotations

import copy
import io
import logging
import math
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field

import numpy as np
from mmengine.evaluator import DumpResults, Evaluator
from mmengine.logging import print_log

from mmrobustprune.corruption import default_suite
from mmrobustprune.corruption.evidence import Evidence

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


def suite_name(evaluator: Evaluator, height: int, width: int, dataset: str = '') -> str:
    """The suite that suite='auto' means for an evaluator and the size of the first image.

    Raises:
        ValueError: no metric of VOC, COCO or classification.
    """
    for metric in evaluator.metrics:
        for base in type(metric).__mro__:
            suite = default_suite(base.__name__, dataset, height, width)
            if suite is not None:
                return suite.name
    names = ', '.join(type(metric).__name__ for metric in evaluator.metrics)
    raise ValueError(
        f'no suite goes with {names} by itself; set robust_eval.suite to '
        "'voc-c', 'coco-c' or 'imagenet-c'."
    )


def fresh_copy(evaluator: Evaluator) -> Evaluator:
    """An evaluator for one corrupted cell: no results yet, no dump of predictions, the annotations
    shared."""
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
        per_class: the main metric class by class, unrounded; classes without an image or box are left out.
        evidence: what every image contributed to the main metric, or None where it is no metric of that kind.
    `per_class` and `evidence` are there on the first process alone.
    """

    metrics: dict[str, float]
    main: str | None = None
    per_class: dict[str, float] = field(default_factory=dict)
    evidence: Evidence | None = None


def evaluate_all(evaluator: Evaluator, size: int, metric: str | None = None) -> Evaluated:
    """The evaluator's numbers and what they are made of.

    COCO's are zero where a detector found nothing at all, and NaN, not -1, where there is nothing to find.

    Args:
        evaluator: has seen the data set.
        size: images in the data set.
        metric: the main one; None takes the usual one.
    """
    with (
        recorded(evaluator, _RECORDS) as records,
        redirect_stdout(io.StringIO()),
    ):  # pycocotools prints a table
        metrics = dict(evaluator.evaluate(size))
        for one in evaluator.metrics:  # CocoMetric gives no value for an empty list of detections
            if hasattr(one, '_coco_api') and not any(
                key.startswith(f'{one.prefix}/') for key in metrics
            ):
                metrics.update(
                    {
                        f'{one.prefix}/{kind}_{name}': 0.0
                        for kind in one.metrics
                        if kind in ('bbox', 'segm')
                        for name in COCO_NAMES
                    }
                )
            if hasattr(one, '_coco_api'):  # and -1 where there is nothing to find
                metrics |= {
                    key: math.nan
                    for key, value in metrics.items()
                    if key.startswith(f'{one.prefix}/') and value < 0
                }
        try:
            key = main_metric(metrics, metric)
        except ValueError:
            return Evaluated(metrics)
        per_class, evidence = next(
            filter(None, (record.read(key) for record in records)), ({}, None)
        )
    return Evaluated(
        metrics,
        key,
        per_class,
        evidence if evidence and _agrees(evidence, key, metrics[key]) else None,
    )


def evaluate(evaluator: Evaluator, size: int) -> dict[str, float]:
    """The numbers of `evaluate_all` alone."""
    return evaluate_all(evaluator, size).metrics


def _agrees(evidence: Evidence, key: str, value: float) -> bool:
    """Whether the evidence gives the number, which a changed metric may have made in another way."""
    again = evidence.metric(np.ones((1, evidence.images)))[0]
    if abs(again - value) <= 1e-6 * max(1, abs(value)):
        return True
    print_log(
        f'{key} is {value:.6g} and the outcomes of the images give {again:.6g}; they are not kept, and no intervals can '
        'be given.',
        'current',
        logging.WARNING,
    )
    return False
