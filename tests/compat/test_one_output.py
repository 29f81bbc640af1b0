"""Labels that a network has no output for are refused, not counted."""

import pytest
import torch

pytest.importorskip('mmpretrain')
from mmpretrain.evaluation import Accuracy, SingleLabelMetric

import mmrobustprune.engine  # noqa: F401

METRICS = [Accuracy, SingleLabelMetric]


def samples(scores, labels):
    return [
        dict(pred_score=torch.tensor(score), gt_label=torch.tensor([label]))
        for score, label in zip(scores, labels, strict=True)
    ]


@pytest.mark.parametrize('metric', METRICS)
def test_one_output_and_two_classes_are_refused(metric):
    said = rf'has 1 output, which {metric.__name__} takes for class 0, and an image has label 1'
    with pytest.raises(ValueError, match=said):
        metric().process(None, samples([[0.2], [0.9]], [0, 1]))


@pytest.mark.parametrize('metric', METRICS)
def test_a_label_behind_the_last_output_is_refused(metric):
    with pytest.raises(ValueError, match=rf'3 outputs and an image has label 3.*{metric.__name__}'):
        metric().process(None, samples([[0.2, 0.3, 0.5]] * 2, [1, 3]))


@pytest.mark.parametrize('metric', METRICS)
def test_one_class_and_one_output_are_as_before(metric):
    one = metric()
    one.process(None, samples([[0.2], [0.9]], [0, 0]))
    assert max(one.evaluate(2).values()) == 100


def test_two_outputs_are_as_before():
    one = Accuracy()
    one.process(None, samples([[0.2, 0.8], [0.9, 0.1], [0.3, 0.7]], [1, 1, 0]))
    assert one.evaluate(3)['accuracy/top1'] == pytest.approx(100 / 3)
