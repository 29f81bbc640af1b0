"""Which metrics of a validation are recorded, and its loss."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import RUNNERS
from mmengine.structures import BaseDataElement
from torch.nn.functional import cross_entropy

from mmrobustprune.engine.pruning.validation import check_labels, numbers_of, validate
from tests.support.tiny import classifier, quick


def test_metrics_that_are_one_number_are_numbers():
    metrics = dict(a=1, b=np.float32(0.5), c=torch.tensor([2.0]), d=np.ones((1, 1)), e=True)
    matrices = dict(f=np.ones(2), g=torch.ones(2, 2), h='text', i=[1.0], j=None)
    assert numbers_of(metrics | matrices) == dict(a=1.0, b=0.5, c=2.0, d=1.0, e=1.0)


def test_the_loss_is_the_mean_over_the_images_in_evaluation_mode(tmp_path):
    config = quick(classifier(tmp_path, epochs=2, batch=10).to_dict())  # 24 images, 10, 10 and 4
    recipe = dict(recipe='magnitude', target=0.5, warmup='1 epochs', rounds=2, interval=2)
    config.robust_prune = dict(recipe, measure='loss', recalibrate='8 images')
    config.runner_type = 'mmrobustprune.PruneRunner'
    runner = RUNNERS.build(config)
    runner.train()
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    sides = ('metric_before', 'metric_after', 'metric_recalibrated')
    found = [one[side] for one in (rounds[0], rounds[-1]) for side in sides if side in one]
    assert len(found) == 5 and all(set(one) == {'accuracy/top1', 'loss'} for one in found)

    dataset = runner.val_dataloader.dataset
    batch = [dataset[number] for number in range(len(dataset))]
    data = dict(inputs=[one['inputs'] for one in batch], data_samples=None)
    runner.model.eval()
    with torch.no_grad():
        logits = runner.model(**runner.model.data_preprocessor(data, False), mode='tensor')
    labels = torch.cat([one['data_samples'].gt_label for one in batch])
    wanted = cross_entropy(logits, labels).item()
    assert validate(runner, loss=True)['loss'] == pytest.approx(wanted, rel=1e-5)
    assert 'loss' not in validate(runner)


def test_a_loss_of_boxes_in_another_size_is_refused():
    def runner_on(sample):
        loader = SimpleNamespace(dataset=[dict(data_samples=sample)])
        return SimpleNamespace(_val_loop=True, val_loop=SimpleNamespace(dataloader=loader))

    check_labels(runner_on(BaseDataElement(gt_label=torch.tensor([1]))))
    with pytest.raises(ValueError, match="measure='loss' needs validation images with labels"):
        check_labels(runner_on(BaseDataElement(gt_instances=None)))
