"""Recording an evaluation: whose evidence counts, and that nothing stays changed."""

import pytest
from mmdet.evaluation import CocoMetric, VOCMetric
from mmdet.evaluation.functional import mean_ap
from mmdet.evaluation.metrics import coco_metric, voc_metric
from mmengine.evaluator import BaseMetric
from mmpretrain.evaluation import Accuracy

from mmrobustprune.engine.robustness.metrics import evaluate_all
from tests.engine.robustness.evaluations import evaluator, samples, scores


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
        'accuracy/top10 is 50 and the outcomes of the images give 100; they are not kept, and no '
        'intervals can be given.'
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
