"""Records of mmdet's detection metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import starmap
from typing import Any

import numpy as np

from mmrobustprune.corruption.evidence import Matches

from .capture import Reading, Record, replaced


class VOCRecord(Record):
    """VOCMetric: `AP50` and its like, and their mean `mAP`."""

    tapped = ('eval_map',)

    def compute_metrics(self, results: list) -> Mapping[str, Any]:
        from mmdet.evaluation.functional import mean_ap  # classification needs no mmdet

        with replaced(mean_ap, Pool=_ThisProcess):
            return super().compute_metrics(results)

    def _read(self, name: str) -> Reading | None:
        chosen = []
        for call in self.calls:
            threshold = call[1]['iou_thr']
            if name in ('mAP', f'AP{int(threshold * 100):02d}'):
                chosen.append(call)
        if not chosen:
            return None
        (predictions, truths), options, _ = chosen[0]
        tables = [out[1] for _, _, out in chosen]  # per threshold a row for each class
        values = {}
        for label, row in enumerate(tables[0]):
            if row['num_gts'] > 0:
                values[label] = np.mean([one[label]['ap'] for one in tables])
        thresholds = [how['iou_thr'] for _, how, _ in chosen]
        matches = voc_matches(predictions, truths, thresholds, options['eval_mode'])
        return self._named(values), matches


def voc_matches(
    predictions: Sequence[Sequence[np.ndarray]],
    truths: Sequence[dict],
    thresholds: Sequence[float],
    curve: str,
) -> Matches:
    """Evidence by the rules of `mmdet.evaluation.eval_map`.

    Args:
        predictions: per image and class (m, 5) boxes and scores.
        truths: per image `bboxes`, `labels`, `bboxes_ignore`, `labels_ignore`.
        thresholds: IoU.
        curve: 'area' or '11points'.
    """
    from mmdet.evaluation.functional.mean_ap import get_cls_results

    columns = []
    counts = []
    for label in range(len(predictions[0])):
        boxes, true, ignored = get_cls_results(predictions, truths, label)
        scores = np.vstack(boxes)[:, -1]
        order = np.argsort(-scores)  # as mmdet does: another sort may turn equal scores round
        image = np.repeat(np.arange(len(boxes)), [len(one) for one in boxes])
        parts = [_outcomes(*one, thresholds) for one in zip(boxes, true, ignored, strict=True)]
        hit, ignored = np.concatenate(parts, axis=2)[:, :, order]
        labels = np.full(len(order), label)
        columns.append((image[order], labels, scores[order], hit, ignored))
        counts.append([len(one) for one in true])
    return _matches(columns, np.array(counts).T, thresholds, curve)


def _outcomes(
    boxes: np.ndarray, true: np.ndarray, ignored: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    """(2, T, m) hit and ignored.

    A detection aims at the box that it overlaps most, and the first one hits it.
    """
    from mmdet.evaluation.functional.bbox_overlaps import bbox_overlaps

    out = np.zeros((2, len(thresholds), len(boxes)), bool)
    if len(boxes) == 0 or len(true) + len(ignored) == 0:
        return out
    overlap = bbox_overlaps(boxes, np.vstack((true, ignored)), use_legacy_coordinate=True)
    best = overlap.max(1)
    target = overlap.argmax(1)
    order = np.argsort(-boxes[:, -1])
    for at, threshold in enumerate(thresholds):
        close = best >= threshold
        out[1, at] = close & (target >= len(true))
        able = order[(close & ~out[1, at])[order]]
        out[0, at, able[np.unique(target[able], return_index=True)[1]]] = True
    return out


class _ThisProcess:
    """In place of mmdet's pool: forking and pickling every box takes longer than the work."""

    def __init__(self, processes: int) -> None:
        pass

    def starmap(self, function: Callable, arguments: Iterable[tuple]) -> list:
        return list(starmap(function, arguments))

    def close(self) -> None:
        pass


class CocoRecord(Record):
    """CocoMetric: `bbox_mAP`, `bbox_mAP_50`, `bbox_mAP_75` and those of `segm`."""

    tapped = ('COCOeval', 'COCOevalMP')
    _thresholds = dict(mAP=None, mAP_50=0.5, mAP_75=0.75)

    def _read(self, name: str) -> Reading | None:
        kind, _, item = name.partition('_')
        if item not in self._thresholds or kind not in self.metric.metrics:
            return None
        done = [
            out for _, _, out in self.calls if out.params.iouType == kind and out.params.useCats
        ]
        evaluation = done[0] if done else self._of_nothing(kind)
        params = evaluation.params
        asked = self._thresholds[item]
        chosen = [at for at, value in enumerate(params.iouThrs) if asked in (None, value)]
        # pycocotools takes 100 for the mean and its last limit for the others,
        # the multi-process one always the last
        limit = 100 if item == 'mAP' and not self.metric.use_mp_eval else params.maxDets[-1]
        if limit not in params.maxDets or not chosen:
            return None
        precision = evaluation.eval['precision']  # (T, recall, class, size, limit)
        is_there = (precision > -1).all((0, 1))
        means = np.where(is_there, precision[chosen].mean((0, 1)), np.nan)
        values = {}
        for category, row in zip(evaluation.cocoGt.loadCats(params.catIds), means, strict=True):
            value = row[0, params.maxDets.index(limit)]
            if not np.isnan(value):
                values[category['name']] = float(value)
        return values, coco_matches(evaluation, chosen, limit)

    def _of_nothing(self, kind: str) -> Any:
        """CocoMetric evaluates no empty list of detections; this does."""
        from mmdet.datasets.api_wrappers import COCO, COCOeval

        truth = self.metric._coco_api
        empty = COCO()
        empty.dataset = dict(truth.dataset, annotations=[])
        empty.createIndex()
        out = COCOeval(truth, empty, kind)
        out.params.catIds = self.metric.cat_ids
        out.params.imgIds = self.metric.img_ids
        out.params.maxDets = list(self.metric.proposal_nums)
        out.params.iouThrs = self.metric.iou_thrs
        out.evaluate()
        out.accumulate()
        return out


def coco_matches(evaluation: Any, thresholds: Sequence[int], limit: int) -> Matches:
    """Evidence of a `COCOeval` that has evaluated, over boxes of any size.

    Args:
        evaluation: it.
        thresholds: which of its IoU thresholds.
        limit: detections per image and class that count, the highest scores first.
    """
    params = evaluation.params
    images = len(params.imgIds)
    sizes = len(params.areaRng)
    columns = []
    counts = np.zeros((images, len(params.catIds)), int)
    for label in range(len(params.catIds)):
        start = label * sizes * images  # the first size is all of them
        here = evaluation.evalImgs[start : start + images]
        found = {at: one for at, one in enumerate(here) if one is not None}
        if not found:
            continue
        for at, one in found.items():
            counts[at, label] = np.count_nonzero(np.asarray(one['gtIgnore']) == 0)
        best = [one['dtScores'][:limit] for one in found.values()]
        scores = np.concatenate(best)
        order = np.argsort(-scores, kind='mergesort')
        rows = {}
        for name in ('dtMatches', 'dtIgnore'):
            parts = [one[name][thresholds, :limit] for one in found.values()]
            rows[name] = np.concatenate(parts, 1)[:, order].astype(bool)
        ignored = rows['dtIgnore']
        hit = rows['dtMatches'] & ~ignored
        image = np.repeat(list(found), [len(one) for one in best])
        columns.append((image[order], np.full(len(order), label), scores[order], hit, ignored))
    return _matches(columns, counts, np.asarray(params.iouThrs)[thresholds], '101points')


def _matches(
    columns: Sequence[tuple[np.ndarray, ...]],
    counts: np.ndarray,
    thresholds: Sequence[float],
    curve: str,
) -> Matches:
    none = (np.zeros(0), np.zeros(0), np.zeros(0), *np.zeros((2, len(thresholds), 0), bool))
    image, label, score, hit, ignored = (
        np.concatenate(column, axis=-1) for column in zip(none, *columns, strict=True)
    )
    # order is what counts; scores in half precision halve the files
    return Matches(
        image.astype(np.int32),
        label.astype(np.int32),
        score.astype(np.float16),
        hit,
        ignored,
        counts.astype(np.int32),
        np.asarray(thresholds, dtype=float),
        curve,
    )
