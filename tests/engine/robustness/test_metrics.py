"""Unrounded values of mmdet's and mmpretrain's metrics, and the one that counts."""

import math

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric, DumpDetResults, VOCMetric
from mmengine.evaluator import Evaluator
from mmpretrain.evaluation import Accuracy

from mmrobustprune.engine.robustness.metrics import evaluate, fresh_copy, main_metric, suite_name

CLASSES = dict(classes=('cat', 'dog'))


def sample(index, offset, count=3, found=True):
    """`count` boxes, the first two found in place, the last by `offset` pixels beside it."""
    boxes = torch.tensor([[10.0 * i, 10, 10 * i + 9, 40] for i in range(count)])
    moved = boxes.clone()
    moved[-1] += offset
    labels = torch.zeros(count, dtype=torch.long)
    none = dict(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    pred = dict(bboxes=moved, labels=labels, scores=torch.linspace(0.9, 0.5, count))
    instances = [dict(bbox=box.tolist(), bbox_label=0, ignore_flag=0) for box in boxes]
    return dict(
        img_id=index,
        ori_shape=(100, 100),
        instances=instances,
        ignored_instances=none,
        gt_instances=dict(bboxes=boxes, labels=labels),
        pred_instances=pred if found else dict(none, scores=torch.zeros(0)),
    )


def evaluator(*metrics):
    out = Evaluator(list(metrics))
    out.dataset_meta = CLASSES
    return out


def test_voc_ap50_is_not_rounded():
    """Two of three boxes are found: area AP 2/3, which VOCMetric prints as 0.667."""
    ours, stock = [evaluator(VOCMetric(eval_mode='area')) for _ in range(2)]
    ours.process([sample(0, 30)])
    stock.process([sample(0, 30)])
    values = evaluate(ours, 1)
    assert values['pascal_voc/AP50'] == pytest.approx(2 / 3, abs=1e-6)
    assert values['pascal_voc/AP50'] == values['pascal_voc/mAP']
    assert stock.evaluate(1)['pascal_voc/AP50'] == 0.667  # and upstream is as it was


def test_coco_map_is_not_rounded():
    ours, stock = [evaluator(CocoMetric(metric='bbox', classwise=True)) for _ in range(2)]
    for index in range(3):
        ours.process([sample(index, index)])
        stock.process([sample(index, index)])
    values, rounded = evaluate(ours, 3), stock.evaluate(3)
    assert values['coco/bbox_mAP'] == pytest.approx(rounded['coco/bbox_mAP'], abs=5e-4)
    assert values['coco/bbox_mAP'] != rounded['coco/bbox_mAP']
    assert values['coco/cat_precision'] == values['coco/bbox_mAP']


def test_a_detector_that_finds_nothing_has_coco_map_zero():
    ours = evaluator(CocoMetric(metric='bbox'))
    ours.process([sample(0, 0, found=False)])
    names = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
    assert evaluate(ours, 1) == {f'coco/bbox_{name}': 0.0 for name in names}


def test_coco_has_no_number_where_there_is_nothing_to_find():
    """Boxes of 9 x 30 pixels are small; of medium and large ones pycocotools says -1."""
    ours = evaluator(CocoMetric(metric='bbox'))
    ours.process([sample(0, 0)])
    values = evaluate(ours, 1)
    assert values['coco/bbox_mAP_s'] == pytest.approx(1) and math.isnan(values['coco/bbox_mAP_m'])
    assert math.isnan(values['coco/bbox_mAP_l'])


def test_a_copy_has_its_own_results_shares_annotations_and_dumps_nothing(tmp_path):
    metric = CocoMetric(metric='bbox')
    metric._coco_api = object()
    original = evaluator(metric, DumpDetResults(out_file_path=str(tmp_path / 'a.pkl')))
    copy = fresh_copy(original)
    copy.process([sample(0, 0)])
    assert len(copy.metrics) == 1 and len(original.metrics) == 2
    assert copy.metrics[0]._coco_api is metric._coco_api
    assert metric.results == [] and len(copy.metrics[0].results) == 1


@pytest.mark.parametrize(
    'keys, expected',
    [
        (('pascal_voc/mAP', 'pascal_voc/AP50'), 'pascal_voc/AP50'),
        (('pascal_voc/mAP', 'pascal_voc/AP75'), 'pascal_voc/mAP'),
        (('coco/bbox_mAP_50', 'coco/bbox_mAP', 'coco/segm_mAP'), 'coco/bbox_mAP'),
        (('accuracy/top5', 'accuracy/top1'), 'accuracy/top1'),
    ],
)
def test_the_main_metric_is_found_by_name(keys, expected):
    assert main_metric(dict.fromkeys(keys, 0.5)) == expected


def test_the_main_metric_can_be_named_and_must_be_there():
    assert main_metric({'coco/bbox_mAP': 1, 'coco/bbox_mAP_s': 0}, 'coco/bbox_mAP_s')
    with pytest.raises(ValueError, match="'x' is not evaluated; choose among coco/bbox_mAP"):
        main_metric({'coco/bbox_mAP': 1}, 'x')
    with pytest.raises(ValueError, match='name one of a/b as robust_eval.metric'):
        main_metric({'a/b': 1})


@pytest.mark.parametrize(
    'metric, size, suite',
    [
        (VOCMetric(), (375, 500), 'voc-c'),
        (CocoMetric(), (480, 640), 'coco-c'),
        (Accuracy(), (500, 375), 'imagenet-c-uncropped'),
        (Accuracy(), (32, 32), 'imagenet-c-at-32'),
    ],
)
def test_the_suite_goes_with_evaluator_and_size(metric, size, suite):
    assert suite_name(evaluator(metric), {size: 1}) == suite


def test_cifar_10_has_a_suite_of_its_own():
    assert suite_name(evaluator(Accuracy()), {(32, 32): 1}, 'CIFAR10') == 'cifar-10-c'
    assert suite_name(evaluator(Accuracy()), {(32, 32): 1}, 'SVHN') == 'imagenet-c-at-32'


def test_no_suite_is_guessed_for_other_metrics(tmp_path):
    with pytest.raises(ValueError, match='no suite goes with DumpDetResults'):
        suite_name(evaluator(DumpDetResults(out_file_path=str(tmp_path / 'a.pkl'))), {(32, 32): 1})


def test_top1_is_what_mmpretrain_gives():
    ours = evaluator(Accuracy())
    for label in (0, 0, 1):
        ours.process([dict(pred_score=torch.tensor([0.9, 0.1]), gt_label=torch.tensor([label]))])
    assert evaluate(ours, 3)['accuracy/top1'] == np.float32(2) * np.float32(100 / 3)
