"""Metric values as they are before anybody rounds them, and which of them counts."""
from __future__ import annotations

import builtins
import copy
import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout

from mmengine.evaluator import BaseMetric, DumpResults, Evaluator

# of pascal_voc/, coco/ and accuracy/; the first that is evaluated counts
MAIN = ('AP50', 'mAP', 'bbox_mAP', 'segm_mAP', 'top1')
_SUITES = dict(VOCMetric='voc-c', CocoMetric='coco-c', Accuracy='imagenet-c',
               SingleLabelMetric='imagenet-c', MultiLabelMetric='imagenet-c')


def main_metric(metrics: Mapping[str, float], asked: str | None = None) -> str:
    """The key of the value that P, mPC and rPC are made of.

    Raises:
        ValueError: `asked` is not there, or none of the usual ones is.
    """
    if asked is not None:
        if asked in metrics:
            return asked
        raise ValueError(
            f"metric '{asked}' is not evaluated; choose among {', '.join(metrics)}.")
    for name in MAIN:
        for key in metrics:
            if key.rsplit('/', 1)[-1] == name:
                return key
    raise ValueError(f"none of {', '.join(MAIN)} is evaluated; name one of {', '.join(metrics)} as "
                     'robust_eval.metric.')


def suite_name(evaluator: Evaluator, height: int, width: int) -> str:
    """The suite that suite='auto' means for an evaluator and the size of the first image.

    Raises:
        ValueError: no metric of VOC, COCO or classification.
    """
    for metric in evaluator.metrics:
        for base in type(metric).__mro__:
            if base.__name__ in _SUITES:
                tiny = (height, width) == (32, 32)
                return 'imagenet-c-at-32' if tiny else _SUITES[base.__name__]
    names = ', '.join(type(metric).__name__ for metric in evaluator.metrics)
    raise ValueError(f'no suite goes with {names} by itself; set robust_eval.suite to '
                     "'voc-c', 'coco-c' or 'imagenet-c'.")


def fresh_copy(evaluator: Evaluator) -> Evaluator:
    """An evaluator for one corrupted cell: no results yet, no dump of predictions, the annotations
    shared."""
    apis = [getattr(metric, '_coco_api', None) for metric in evaluator.metrics]
    out = copy.deepcopy(evaluator, {id(api): api for api in apis if api is not None})
    out.metrics = [metric for metric in out.metrics if not isinstance(metric, DumpResults)]
    return out


def evaluate(evaluator: Evaluator, size: int) -> dict[str, float]:
    """The evaluator's numbers, unrounded; COCO's zero where a detector found nothing at all."""
    with unrounded(evaluator), redirect_stdout(io.StringIO()):   # pycocotools prints a table
        metrics = dict(evaluator.evaluate(size))
    for metric in evaluator.metrics:   # CocoMetric gives no value for an empty list of detections
        if hasattr(metric, '_coco_api') and not any(
                key.startswith(f'{metric.prefix}/') for key in metrics):
            metrics.update({f'{metric.prefix}/{kind}_mAP': 0. for kind in metric.metrics
                            if kind in ('bbox', 'segm')})
    return metrics


@contextmanager
def unrounded(evaluator: Evaluator) -> Iterator[None]:
    """VOCMetric and CocoMetric round to three digits through the builtin; inside, their modules
    keep every digit."""
    bases = {base for metric in evaluator.metrics for base in type(metric).__mro__
             if issubclass(base, BaseMetric)}
    modules = {sys.modules[base.__module__] for base in bases - {BaseMetric}}
    modules = {module for module in modules if 'round' not in vars(module)}
    for module in modules:
        module.round = _keep_digits
    try:
        yield
    finally:
        for module in modules:
            del module.round


def _keep_digits(value: float, digits: int | None = None) -> float:
    return builtins.round(value) if digits is None else float(value)
