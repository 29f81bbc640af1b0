"""Statistics and accuracy after a one-shot surgery."""

import json

import cv2
import numpy as np
import pytest
import torch

from mmrobustprune.engine.deploy import statistics
from mmrobustprune.engine.deploy.oneshot import OneShot
from mmrobustprune.engine.deploy.statistics import folder_loader
from tests.support.tiny import quick


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(statistics, 'print_log', lambda text, *rest: lines.append(text))
    return lines


def one_shot(dense, **options):
    return OneShot(*dense, (16, 16), 'l1', 0.3, **options)


def test_by_default_the_training_set_and_the_report_says_so(dense, tmp_path):
    one = one_shot(dense)
    report = one.recalibrate(measure=10)
    assert report['recalibrated'] == 48
    accuracy = report['accuracy']
    assert list(accuracy) == ['images', 'before', 'after', 'recalibrated']
    assert accuracy['images'] == 10 and set(accuracy['before']) == {'accuracy/top1'}
    norm = one.model.backbone.bn1
    assert norm.num_batches_tracked == 6 and not norm.training
    one.write(tmp_path)
    cost = json.loads((tmp_path / 'cost.json').read_text())
    assert cost['accuracy'] == accuracy and cost['recalibrated'] == 48
    saved = torch.load(tmp_path / 'pruned.pth', weights_only=True)['state_dict']
    assert torch.equal(saved['backbone.bn1.running_mean'], norm.running_mean)


def test_nothing_is_done_where_it_is_not_asked(dense, said):
    one = one_shot(dense, recalibrate='')
    assert one.recalibrate() == dict(recalibrated=0)
    assert (one.model.backbone.bn1.running_mean == 0).all() and not said


@pytest.mark.parametrize('missing', ['loader', 'data'])
def test_without_training_data_one_warning_says_what_to_do(dense, said, missing):
    config = quick(dense[0].to_dict())
    if missing == 'loader':
        config.train_dataloader = None
    else:
        config.train_dataloader.dataset = dict(
            type='CustomDataset', data_root='/nowhere', pipeline=[dict(type='PackInputs')]
        )
    one = one_shot((config, dense[1]))
    assert one.recalibrate() == dict(recalibrated=0)
    (line,) = said
    assert 'stay those of the dense network' in line and 'Give --images DIR' in line
    with pytest.raises(ValueError, match='Give --images DIR, .*, or --recalibrate'):
        one.recalibrate(insist=True)


def pictures(folder, count=5):
    folder.mkdir()
    for number in range(count):
        image = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder


def reading(dense):
    """The config with a test pipeline that reads files."""
    config = quick(dense[0].to_dict())
    steps = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    config.test_dataloader.dataset.pipeline = steps
    return config


def test_a_folder_of_images_gives_its_own_statistics(dense, tmp_path):
    folder = pictures(tmp_path / 'images')
    one = one_shot((reading(dense), dense[1]))
    assert one.recalibrate(folder) == dict(recalibrated=5)
    images = np.stack([cv2.imread(str(folder / f'{number}.png')) for number in range(5)])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.no_grad():
        read = one.model.backbone.conv1((pixels.float() - 100) / 60)
    var, mean = torch.var_mean(read, (0, 2, 3), correction=1)
    torch.testing.assert_close(one.model.backbone.bn1.running_mean, mean)
    torch.testing.assert_close(one.model.backbone.bn1.running_var, var)


def test_folders_that_cannot_be_used_are_refused(dense, tmp_path):
    config = reading(dense)
    with pytest.raises(FileNotFoundError, match='no image .* is below .*; give a folder'):
        folder_loader(config, tmp_path)
    pictures(tmp_path / 'images')
    with pytest.raises(ValueError, match='loads no image files'):
        folder_loader(dense[0], tmp_path / 'images')


def test_annotations_are_not_looked_for(dense, tmp_path):
    config = reading(dense)
    config.test_dataloader.dataset = dict(
        type='RepeatDataset',
        dataset=dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='mmdet.LoadAnnotations', with_bbox=True),
                dict(type='PackInputs'),
            ]
        ),
    )
    loader = folder_loader(config, pictures(tmp_path / 'images'))
    assert len(loader.dataset) == 5 and loader.dataset[2]['inputs'].shape == (3, 16, 16)
