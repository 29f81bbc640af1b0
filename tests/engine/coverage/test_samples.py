"""Random samples are what the data preprocessors of both zoos take."""

import torch
from mmengine.registry import DATASETS

from mmrobustprune.engine.coverage.samples import RandomSamples, detection_sample


def test_a_sample_is_always_the_same():
    data = DATASETS.build(dict(type='mmrobustprune.RandomSamples', kind='mmpretrain', size=8))
    assert isinstance(data, RandomSamples) and len(data) == 2
    assert torch.equal(data[1]['inputs'], data[1]['inputs'])
    assert not torch.equal(data[1]['inputs'], data[0]['inputs'])
    assert data[0]['inputs'].shape == (3, 8, 8) and data[0]['inputs'].dtype == torch.uint8
    assert data[0]['data_samples'].gt_label.tolist() == [0]


def test_labels_are_those_of_the_task():
    several = RandomSamples('mmpretrain', 8, channels=1, several=True)[0]
    assert several['data_samples'].gt_label.tolist() == [0, 1]
    assert several['inputs'].shape == (1, 8, 8)


def test_objects_have_boxes_masks_and_proposals():
    sample = detection_sample(100)
    assert sample.gt_instances.bboxes.tolist() == [[10, 10, 50, 60], [40, 30, 90, 90]]
    masks = sample.gt_instances.masks.masks
    assert masks.sum((1, 2)).tolist() == [40 * 50, 50 * 60]
    assert sample.proposals.bboxes[0].tolist() == [12, 12, 52, 62]
    assert sample.gt_sem_seg.sem_seg.shape == (1, 100, 100)
    assert len(sample.ignored_instances.bboxes) == 0
    assert isinstance(RandomSamples('mmdet', 32)[0]['data_samples'], type(sample))
