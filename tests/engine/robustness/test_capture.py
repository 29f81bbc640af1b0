"""Evidence against mmdet's and mmpretrain's own evaluation, also of lists in which images really stand several times."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.evaluation import CocoMetric, VOCMetric
from mmdet.evaluation.functional import mean_ap
from mmdet.evaluation.metrics import coco_metric, voc_metric
from mmengine.evaluator import BaseMetric, Evaluator
from mmpretrain.evaluation import Accuracy, SingleLabelMetric

from mmrobustprune.corruption.evidence import load
from mmrobustprune.engine.robustness.metrics import evaluate_all

CLASSES = ('cat', 'dog', 'owl')


def evaluator(*metrics, classes=CLASSES):
    out = Evaluator(list(metrics))
    out.dataset_meta = dict(classes=classes)
    return out


def boxes_near(rng, boxes, spread):
    return boxes + rng.integers(-spread, spread + 1, boxes.shape)


def samples(seed, images=6, classes=3):
    """True boxes, some difficult, and detections near them and elsewhere; no two scores are equal."""
    rng = np.random.default_rng(seed)
    scores, out = rng.permutation(np.linspace(0.01, 0.99, images * 12)).astype(np.float32), []
    for index in range(images):
        true = rng.integers(0, 60, (rng.integers(0, 5), 4)).astype(float)
        true[:, 2:] = true[:, :2] + rng.integers(8, 30, (len(true), 2))
        difficult = rng.random(len(true)) < 0.2
        labels = rng.integers(0, classes, len(true))
        found = rng.permutation(np.concatenate([np.arange(len(true))] * 2))[:12]
        boxes = boxes_near(rng, true[found], 4)
        guess = np.where(
            rng.random(len(found)) < 0.8, labels[found], rng.integers(0, classes, len(found))
        )
        out.append(
            sample(index, true, labels, difficult, boxes, guess, scores[12 * index :][: len(found)])
        )
    return out


def sample(index, true, labels, difficult, boxes, guess, scores):
    def group(chosen):
        return dict(
            bboxes=torch.tensor(true[chosen], dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor(labels[chosen]),
        )

    instances = [
        dict(bbox=box.tolist(), bbox_label=int(label), ignore_flag=int(out))
        for box, label, out in zip(true, labels, difficult, strict=True)
    ]
    return dict(
        img_id=index,
        ori_shape=(100, 100),
        instances=instances,
        gt_instances=group(~difficult),
        ignored_instances=group(difficult),
        pred_instances=dict(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            labels=torch.tensor(guess),
            scores=torch.tensor(scores),
        ),
    )


def evaluated(metric, made, main=None, **options):
    """Unrounded numbers, classes and evidence; every image has a number of its own."""
    ours = evaluator(metric, **options)
    ours.process([dict(one, img_id=index) for index, one in enumerate(made)])
    return evaluate_all(ours, len(made), main)


def ones(evidence):
    return evidence.metric(np.ones((1, evidence.images)))[0]


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
        assert found.evidence.metric(np.array([times]))[0] == pytest.approx(
            evaluated(CocoMetric(), again, key).metrics[key], abs=1e-9
        )


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


def scores(count, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        dict(
            pred_score=torch.rand(classes, generator=generator).softmax(0),
            gt_label=torch.randint(classes - 1, (1,), generator=generator),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    'options, name',
    [
        (dict(topk=(1, 5)), 'top1'),
        (dict(topk=(1, 5)), 'top5'),
        (dict(thrs=0.15), 'top1'),
        (dict(thrs=None), 'top1'),
        (dict(topk=(1, 3), thrs=(0.0, 0.12, None)), 'top3_thr-0.12'),
        (dict(topk=1, thrs=(0.0, None)), 'top1_no-thr'),
    ],
)
@pytest.mark.parametrize('count', [7, 300])
def test_accuracy_evidence_is_the_evaluator_to_the_last_digit(options, name, count):
    ours, key = evaluator(Accuracy(**options), classes=tuple('abcdefghij')), f'accuracy/{name}'
    made = scores(count, 10)
    ours.process(made)
    found = evaluate_all(ours, count, key)
    assert ones(found.evidence) == found.metrics[key]
    sizes = {
        name: sum(one['gt_label'].item() == at for one in made)
        for at, name in enumerate('abcdefghij')
    }
    assert 'j' not in found.per_class  # no image of it
    assert sum(
        value * sizes[name] for name, value in found.per_class.items()
    ) / count == pytest.approx(found.metrics[key], abs=1e-4)


def test_accuracy_of_labels_alone():
    ours = evaluator(Accuracy(), classes=None)
    for guess, label in ((0, 0), (1, 0), (1, 1), (2, 2)):
        ours.process([dict(pred_label=torch.tensor([guess]), gt_label=torch.tensor([label]))])
    found = evaluate_all(ours, 4)
    assert found.per_class == {'0': 50, '1': 100, '2': 100}
    assert (
        found.evidence.correct.tolist() == [True, False, True, True] and ones(found.evidence) == 75
    )


def test_classes_of_one_name_are_told_apart():
    ours = evaluator(Accuracy(), classes=('crane', 'owl', 'crane'))
    for label in range(3):
        ours.process([dict(pred_label=torch.tensor([0]), gt_label=torch.tensor([label]))])
    assert evaluate_all(ours, 3).per_class == {'crane (0)': 100, 'owl': 0, 'crane (2)': 0}


@pytest.mark.parametrize(
    'options, name, column',
    [
        (dict(), 'precision', 0),
        (dict(), 'recall', 1),
        (dict(), 'f1-score', 2),
        (dict(thrs=(0.0, 0.13)), 'recall_thr-0.13', 1),
        (dict(average='micro'), 'recall_micro', 1),
        (dict(average='micro', thrs=(0.13, None)), 'precision_no-thr_micro', 0),
    ],
)
def test_single_label_values_of_every_class(options, name, column):
    made, key = scores(200, 10), f'single-label/{name}'
    ours = evaluator(SingleLabelMetric(**options), classes=tuple('abcdefghij'))
    ours.process(made)
    found = evaluate_all(ours, 200, key)
    threshold = 0.13 if '0.13' in name else None if 'no-thr' in name else 0.0
    expected = SingleLabelMetric.calculate(
        torch.stack([one['pred_score'] for one in made]),
        torch.cat([one['gt_label'] for one in made]),
        (threshold,),
        None,
    )
    assert found.per_class == pytest.approx(
        dict(zip('abcdefghi', expected[0][column].tolist(), strict=False))
    )
    if name == 'recall_micro':
        assert ones(found.evidence) == pytest.approx(found.metrics[key], rel=1e-6)
    else:
        assert found.evidence is None


def test_single_label_values_of_labels_alone():
    ours = evaluator(SingleLabelMetric(average='micro', num_classes=3))
    for guess, label in ((0, 0), (1, 0), (1, 1), (2, 2)):
        ours.process([dict(pred_label=torch.tensor([guess]), gt_label=torch.tensor([label]))])
    found = evaluate_all(ours, 4, 'single-label/recall_micro')
    assert found.per_class == dict(
        cat=50, dog=100, owl=100
    ) and found.evidence.correct.tolist() == [True, False, True, True]


class Steps(BaseMetric):
    default_prefix = 'other'

    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return dict(top1=len(results))


def test_other_metrics_have_numbers_alone():
    ours = evaluator(Steps())
    ours.process([{}])
    found = evaluate_all(ours, 1)
    assert (found.metrics, found.per_class, found.evidence) == ({'other/top1': 1}, {}, None)
    ours = evaluator(Accuracy(topk=(5,)))  # nothing that is usual
    ours.process(scores(8, 10))
    assert evaluate_all(ours, 8).evidence is None


def test_the_metric_that_counts_has_the_evidence():
    ours = evaluator(VOCMetric(), CocoMetric())
    ours.process(samples(0))
    assert evaluate_all(ours, 6).evidence.curve == '11points'
    ours.process(samples(0))
    assert evaluate_all(ours, 6, 'coco/bbox_mAP').evidence.curve == '101points'


class Halved(Accuracy):
    def compute_metrics(self, results):
        return {name: value / 2 for name, value in super().compute_metrics(results).items()}


def test_evidence_that_does_not_give_the_number_is_dropped_and_said(monkeypatch):
    said = []
    monkeypatch.setattr(
        'mmrobustprune.engine.robustness.metrics.print_log', lambda text, *_: said.append(text)
    )
    ours = evaluator(Halved(topk=(10,)))
    ours.process(scores(8, 10))
    found = evaluate_all(ours, 8, 'accuracy/top10')
    assert found.evidence is None and found.metrics == {'accuracy/top10': 50}
    assert said == [
        'accuracy/top10 is 50 and the outcomes of the images give 100; they are not kept, and no intervals can be '
        'given.'
    ]


@pytest.mark.parametrize(
    'metric', [VOCMetric(), CocoMetric(), Accuracy()], ids=lambda metric: type(metric).__name__
)
def test_other_processes_have_numbers_alone(monkeypatch, metric):
    """They hand their results to the first one and are told what it found."""
    numbers = {f'{metric.prefix}/{name}': 0.5 for name in ('AP50', 'bbox_mAP', 'top1')}
    monkeypatch.setattr('mmengine.evaluator.metric.is_main_process', lambda: False)
    monkeypatch.setattr(
        'mmengine.evaluator.metric.broadcast_object_list', lambda box: box.__setitem__(0, numbers)
    )
    ours = evaluator(metric)
    ours.process(scores(3, 10) if isinstance(metric, Accuracy) else samples(0))
    found = evaluate_all(ours, 3)
    assert (found.metrics, found.per_class, found.evidence) == (numbers, {}, None)


def test_modules_and_metrics_are_as_they_were_also_after_an_error():
    ours = evaluator(VOCMetric(), CocoMetric())
    before = [dict(vars(module)) for module in (voc_metric, coco_metric, mean_ap)]
    ours.process(samples(0))
    evaluate_all(ours, 6)
    ours.metrics[0].results.append('nonsense')
    with pytest.raises(ValueError):
        evaluate_all(ours, 6)
    assert [dict(vars(module)) for module in (voc_metric, coco_metric, mean_ap)] == before
    assert 'compute_metrics' not in vars(ours.metrics[0])


def test_evidence_of_a_detector_is_read_again(tmp_path):
    for metric in (VOCMetric(iou_thrs=[0.5, 0.75]), CocoMetric()):
        evidence = evaluated(metric, samples(1)).evidence
        evidence.save(tmp_path / 'fog-3.npz')
        weights = np.random.default_rng(0).integers(1, 5, (5, 6))
        assert np.array_equal(
            load(tmp_path / 'fog-3.npz').metric(weights), evidence.metric(weights)
        )
