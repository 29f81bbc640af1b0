"""A network's metrics on a part of a config's images."""

import logging

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

from mmrobustprune.engine.bridge.evaluation import EvaluationImages, build_loader, quiet_log
from tests.support.tiny import classifier


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    config = classifier(tmp_path_factory.mktemp('images'))
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    return config, MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))


def right(model, dataset, places):
    """The share of images that are classified right, one by one."""
    hits = 0
    for place in places:
        sample = dataset[place]
        image = (sample['inputs'][None].float() - 100) / 60
        with torch.no_grad():
            answer = model.eval()(image, mode='tensor').argmax(1)
        hits += int(answer == sample['data_samples'].gt_label)
    return 100 * hits / len(places)


@pytest.mark.parametrize('subset', [None, 9])
def test_the_metric_is_that_of_the_chosen_images(network, subset):
    config, model = network
    part = EvaluationImages(config, 'test', subset)
    assert len(part.places) == (subset or 24) and part.places == sorted(set(part.places))
    expected = right(model, build_loader(config, 'test_dataloader').dataset, part.places)
    for _ in range(2):  # an evaluator begins anew
        assert part.metrics(model)['accuracy/top1'] == pytest.approx(expected)


def test_batches_of_the_callers_own_leave_the_answer_where_it_is(network):
    config, model = network
    part = EvaluationImages(config, 'val')
    batches = list(part.loader)
    part.feed(model, batches)
    first = part.evaluator.evaluate(24)
    assert first == part.metrics(model)


def test_metrics_with_annotations_of_their_own_count_the_chosen_images_alone(network):
    from mmengine.evaluator import BaseMetric
    from mmengine.registry import METRICS

    @METRICS.register_module(force=True)
    class OwnAnnotations(BaseMetric):
        img_ids = None

        def __init__(self):
            super().__init__()
            self.img_ids = None

        def process(self, data_batch, data_samples):
            self.results += data_samples

        def compute_metrics(self, results):
            return dict(counted=len(self.img_ids or []))

    config = network[0].copy()
    config.test_evaluator = [dict(type='OwnAnnotations')]
    config.test_dataloader.dataset.type = 'Numbered images'
    from tests.support.tiny import DATASETS, TinyImages

    @DATASETS.register_module(name='Numbered images', force=True)
    class NumberedImages(TinyImages):
        def get_data_info(self, idx):
            return dict(super().get_data_info(idx), img_id=100 + idx)

    part = EvaluationImages(config, 'test', 5)
    assert part.metrics(network[1]) == dict(counted=5)
    assert part.evaluator.metrics[0].img_ids == [100 + place for place in part.places]


def test_tables_of_evaluators_are_not_logged():
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    before = logger.level
    with pytest.raises(KeyError), quiet_log():
        assert not logger.isEnabledFor(logging.INFO) and logger.isEnabledFor(logging.WARNING)
        raise KeyError
    assert logger.level == before


def test_what_is_not_there_is_named(network):
    config = network[0].copy()
    config.test_evaluator = None
    with pytest.raises(ValueError, match='no test_dataloader and test_evaluator; add them'):
        EvaluationImages(config)
    assert len(EvaluationImages(config, 'val', 99).places) == 24
