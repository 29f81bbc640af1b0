"""What is read off mmdet's metrics, to the last digit."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.evaluation import CocoMetric, VOCMetric

from mmrobustprune.corruption.evidence import load
from mmrobustprune.engine.robustness.metrics import evaluate_all
from tests.engine.robustness.evaluations import CLASSES, evaluated, evaluator, ones, sample, samples


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 10**6),
    st.sampled_from(['area', '11points']),
    st.sampled_from(['AP50', 'AP75', 'mAP']),
    st.data(),
)
def test_voc_evidence_is_the_evaluator_on_any_list_of_images(seed, mode, name, data):
    made, key = samples(seed), f'pascal_voc/{name}'
    metric = {'iou_thrs': [0.5, 0.55, 0.75], 'eval_mode': mode}
    found = evaluated(VOCMetric(**metric), made, key)
    assert ones(found.evidence) == pytest.approx(found.metrics[key], abs=1e-9)
    times = data.draw(st.lists(st.integers(0, 3), min_size=6, max_size=6).filter(any))
    again = [one for one, count in zip(made, times, strict=True) for _ in range(count)]
    assert found.evidence.metric(np.array([times]))[0] == pytest.approx(
        evaluated(VOCMetric(**metric), again, key).metrics[key], abs=1e-9
    )


@settings(deadline=None, max_examples=12)
@given(
    st.integers(0, 10**6), st.sampled_from(['bbox_mAP', 'bbox_mAP_50', 'bbox_mAP_75']), st.data()
)
def test_coco_evidence_is_the_evaluator_on_any_list_of_images(seed, name, data):
    made, key = samples(seed), f'coco/{name}'
    found = evaluated(CocoMetric(), made, key)
    assert ones(found.evidence) == pytest.approx(found.metrics[key], abs=1e-9)
    times = data.draw(st.lists(st.integers(0, 3), min_size=6, max_size=6).filter(any))
    again = [one for one, count in zip(made, times, strict=True) for _ in range(count)]
    if any(one['instances'] for one in again):  # CocoMetric cannot do without
        ours = found.evidence.metric(np.array([times]))[0]
        theirs = evaluated(CocoMetric(), again, key).metrics[key]
        if theirs >= 0:
            assert ours == pytest.approx(theirs, abs=1e-9)
        else:
            assert not ours >= 0  # -1 or no number: nothing was to be found


def test_without_worker_processes_mmdets_number_is_the_same():
    made, stock = samples(4, images=9), evaluator(VOCMetric(iou_thrs=[0.5, 0.6]))
    stock.process(made)
    assert (
        stock.evaluate(9)['pascal_voc/mAP']
        == evaluated(VOCMetric(iou_thrs=[0.5, 0.6]), made).metrics['pascal_voc/mAP']
        > 0
    )


@pytest.mark.parametrize('seed', range(3))
def test_twenty_classes_are_averaged_as_mmdet_averages_them(seed):
    made, classes = samples(seed, images=40, classes=20), tuple('abcdefghijklmnopqrst')
    found = evaluated(VOCMetric(eval_mode='area'), made, classes=classes)
    assert ones(found.evidence) == pytest.approx(found.metrics['pascal_voc/AP50'], abs=1e-9)
    assert np.float32(np.mean([*found.per_class.values()])) == pytest.approx(
        found.metrics['pascal_voc/mAP'], abs=1e-6
    )


def test_equal_scores_keep_the_order_of_the_evaluator():
    made = samples(5, images=30)
    for one in made:
        one['pred_instances']['scores'] = torch.round(one['pred_instances']['scores'] * 4) / 4
    for metric, key in (
        (VOCMetric(eval_mode='area'), 'pascal_voc/AP50'),
        (CocoMetric(), 'coco/bbox_mAP'),
    ):
        found = evaluated(metric, made)
        assert ones(found.evidence) == pytest.approx(found.metrics[key], abs=1e-9)


def test_the_hundred_highest_scores_of_an_image_count_in_coco_map():
    true = np.array([[10.0, 10, 40, 40]])
    boxes = np.repeat([[60.0, 60, 90, 90]], 150, 0)
    boxes[[10, 120]] = true
    boxes[10] += 4  # a looser match before; the exact one is the 121st
    made = [
        sample(
            0,
            true,
            np.zeros(1, int),
            np.zeros(1, bool),
            boxes,
            np.zeros(150, int),
            np.linspace(0.9, 0.1, 150),
        )
    ]
    found, looser = (
        evaluated(CocoMetric(proposal_nums=limits), made)
        for limits in ((100, 300, 1000), (1, 10, 100))
    )
    assert ones(found.evidence) == pytest.approx(found.metrics['coco/bbox_mAP'], abs=1e-9)
    assert found.metrics['coco/bbox_mAP'] == looser.metrics['coco/bbox_mAP'] > 0


def test_classes_have_their_own_values_and_those_without_boxes_none():
    true = np.array([[10.0, 10, 40, 40], [50, 50, 90, 90]])
    made = [
        sample(
            0,
            true,
            np.array([0, 2]),
            np.zeros(2, bool),
            true[:1],
            np.zeros(1, int),
            np.array([0.9]),
        )
    ]
    for metric in (VOCMetric(eval_mode='area'), VOCMetric(iou_thrs=[0.5, 0.75]), CocoMetric()):
        found = evaluated(metric, made)
        assert found.per_class == {'cat': pytest.approx(1), 'owl': 0}


def test_coco_classes_keep_every_digit_and_average_to_the_whole():
    made = samples(2, images=20)
    found = evaluated(CocoMetric(classwise=True), made)
    assert found.per_class == pytest.approx(
        {name: found.metrics[f'coco/{name}_precision'] for name in CLASSES}, abs=1e-12
    )
    assert np.mean([*found.per_class.values()]) == pytest.approx(
        found.metrics['coco/bbox_mAP'], abs=1e-12
    )


def test_coco_annotations_in_a_file_with_other_ids(tmp_path):
    """Category ids 7 and 3, image ids out of order: names and images go with their ids."""
    annotations = [
        dict(
            id=index + 1,
            image_id=image,
            category_id=category,
            bbox=[10, 10, 30, 30],
            area=900,
            iscrowd=0,
        )
        for index, (image, category) in enumerate([(90, 7), (20, 3)])
    ]
    (tmp_path / 'ann.json').write_text(
        json.dumps(
            dict(
                images=[
                    dict(id=index, width=100, height=100, file_name='') for index in (90, 20, 50)
                ],
                annotations=annotations,
                categories=[dict(id=7, name='cat'), dict(id=3, name='dog')],
            )
        )
    )
    box = torch.tensor([[10.0, 10, 40, 40]])
    made = [
        dict(
            img_id=90,
            ori_shape=(100, 100),
            pred_instances=dict(bboxes=box, scores=torch.tensor([0.9]), labels=torch.tensor([0])),
        )
    ]
    made += [
        dict(
            img_id=index,
            ori_shape=(100, 100),
            pred_instances=dict(
                bboxes=box[:0], scores=torch.zeros(0), labels=torch.zeros(0, dtype=torch.long)
            ),
        )
        for index in (20, 50)
    ]
    metric = CocoMetric(ann_file=str(tmp_path / 'ann.json'))
    ours = evaluator(metric, classes=('cat', 'dog'))
    ours.process(made)
    found = evaluate_all(ours, 3)
    cat = list(metric.cat_ids).index(7)
    assert found.per_class[('cat', 'dog')[cat]] == pytest.approx(1) and sum(
        found.per_class.values()
    ) == pytest.approx(1)
    assert found.evidence.images == 3
    assert found.evidence.metric(np.array([[0, 0, 1], [1, 1, 0]])) == pytest.approx(
        [1, 0]
    )  # images 20, 50, 90


def test_a_detector_that_finds_nothing_has_evidence_all_the_same():
    true = np.array([[10.0, 10, 40, 40]])
    made = [
        sample(
            at, true, np.zeros(1, int), np.zeros(1, bool), true[:0], np.zeros(0, int), np.zeros(0)
        )
        for at in range(2)
    ]
    for metric in (CocoMetric(), VOCMetric()):
        found = evaluated(metric, made)
        assert found.per_class == {'cat': 0} and found.evidence.metric(
            np.array([[1, 1], [2, 0]])
        ).tolist() == [0, 0]


def test_evidence_of_a_detector_is_read_again(tmp_path):
    for metric in (VOCMetric(iou_thrs=[0.5, 0.75]), CocoMetric()):
        evidence = evaluated(metric, samples(1)).evidence
        evidence.save(tmp_path / 'fog-3.npz')
        weights = np.random.default_rng(0).integers(1, 5, (5, 6))
        assert np.array_equal(
            load(tmp_path / 'fog-3.npz').metric(weights), evidence.metric(weights)
        )
