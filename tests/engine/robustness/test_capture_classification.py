"""What is read off mmpretrain's metrics, to the last digit."""

import pytest
import torch
from mmpretrain.evaluation import Accuracy, SingleLabelMetric

from mmrobustprune.engine.robustness.metrics import evaluate_all
from tests.engine.robustness.evaluations import evaluator, ones, scores


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


@pytest.mark.parametrize('kind', [Accuracy, SingleLabelMetric])
@pytest.mark.parametrize(
    'outputs, label, sentence',
    [
        (1, 0, 'gives 1 score for each image, so .* counts every image as class 0'),
        (2, 2, 'the network has 2 outputs and an image has label 2'),
    ],
)
def test_labels_that_the_network_has_no_score_for_are_one_sentence(kind, outputs, label, sentence):
    ours = evaluator(kind())
    score = torch.full((outputs,), 0.5)
    with pytest.raises(ValueError, match=sentence):
        for truth in (0, label):
            one = dict(pred_score=score, gt_label=torch.tensor([truth]), num_classes=outputs)
            ours.process([one])
        evaluate_all(ours, 2)
