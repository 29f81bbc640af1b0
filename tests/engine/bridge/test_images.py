"""Pixels and labels of a data set."""

import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader

from mmrobustprune.engine.bridge.images import LabelledImages
from tests.support.tiny import classifier


def sample(image, label=1):
    data = DataSample()
    if label is not None:
        data.set_gt_label(label)
    return dict(inputs=image, data_samples=data)


def images(*samples):
    return LabelledImages(DataLoader(list(samples), batch_size=2))


def grey(value, size=4):
    return torch.full((1, size, size), value, dtype=torch.uint8)


def test_pixels_and_labels_by_place():
    found = images(sample(grey(0), 2), sample(grey(51), 0), sample(grey(255), 1))
    assert len(found) == 3 and found.batch_size == 2
    (x, y), (last, label) = found.batches([[2, 0], [1]])
    assert x.shape == (2, 1, 4, 4) and x[:, 0, 0, 0].tolist() == [1.0, 0.0]
    assert y.tolist() == [1, 2] and label.tolist() == [0]
    assert last.unique().tolist() == pytest.approx([0.2])


@pytest.mark.parametrize(
    'second, words',
    [
        (sample(grey(0, size=5)), r'images of \(1, 4, 4\) and \(1, 5, 5\); crop or resize'),
        (sample(grey(0).float()), 'gives torch.float32 images; attacks need the 8-bit ones'),
        (sample(grey(0), None), 'has no label or several'),
        (sample(grey(0), [0, 1]), 'has no label or several'),
    ],
)
def test_what_cannot_be_attacked_is_refused(second, words):
    with pytest.raises(ValueError, match=words):
        list(images(sample(grey(0)), second).batches([[0, 1]]))


def test_the_test_set_of_a_config(tmp_path):
    found = LabelledImages.of_test_set(classifier(tmp_path))
    assert len(found) == 24 and found.batch_size == 8
    ((x, y),) = found.batches([[0, 1, 2, 3]])
    assert x.shape == (4, 3, 16, 16) and y.tolist() == [0, 1, 2, 0]
    with pytest.raises(ValueError, match='no test_dataloader; add the images to attack'):
        LabelledImages.of_test_set(Config())
