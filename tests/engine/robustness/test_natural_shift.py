"""ImageNet-V2 beside a config's own test set: kept numbers are of the images that are there."""

import cv2
import pytest
from mmengine.config import Config

from mmrobustprune.datasets.imagenet_v2 import FOLDERS
from mmrobustprune.engine.robustness.natural_shift import RebuildRunner, imagenet_v2
from tests.engine.robustness.toys import rgb
from tests.support.classifier import write_config, write_pictures, write_weights


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """(measure, names of what was tested): a classifier of five classes, two variants."""
    config = write_config(tmp_path, write_pictures(tmp_path / 'own', 10))
    checkpoint, _ = write_weights(config, tmp_path / 'small.pth')
    names = ['top-images', 'threshold-0.7']
    for name in names:
        for number in range(5):
            path = tmp_path / 'v2' / FOLDERS[name] / str(number) / 'a.png'
            path.parent.mkdir(parents=True)
            cv2.imwrite(str(path), rgb(32, 32, number))
    tested = []
    stock = RebuildRunner.test

    def test(runner):
        tested.append(type(runner.test_loop.dataloader.dataset).__name__)
        return stock(runner)

    monkeypatch.setattr(RebuildRunner, 'test', test)

    def measure():
        del tested[:]
        return imagenet_v2(
            Config.fromfile(config),
            checkpoint,
            tmp_path / 'out',
            tmp_path / 'v2',
            names,
            metainfo=dict(classes=tuple('abcde')),
        )

    return measure, tested


@pytest.mark.slow
def test_a_kept_number_is_measured_again_where_an_image_was_replaced(measured, tmp_path):
    measure, tested = measured
    first = measure()
    assert tested == ['CustomDataset', 'ImageNetV2', 'ImageNetV2']
    assert measure() == first and tested == []
    cv2.imwrite(str(tmp_path / 'v2' / FOLDERS['top-images'] / '3' / 'a.png'), rgb(32, 32, 99))
    after = measure()
    assert tested == ['ImageNetV2']
    changed = [name for name in first['data'] if first['data'][name] != after['data'][name]]
    assert changed == ['top-images']
    assert after['variants']['threshold-0.7'] == first['variants']['threshold-0.7']
    cv2.imwrite(str(tmp_path / 'own' / 'a' / '000.png'), rgb(32, 32, 98))
    measure()
    assert tested == ['CustomDataset']


def test_the_ratio_is_of_the_variant_and_the_own_set(measured):
    found = measured[0]()
    for name, value in found['variants'].items():
        assert found['R_V2'][name] == (value / found['clean'] if found['clean'] else None)
        assert value * 5 / 100 == pytest.approx(round(value * 5 / 100))
