from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from mmpretrain.evaluation import Accuracy

import mmrobustprune.engine  # noqa: F401  torch's and mmengine's ways are mended
from mmrobustprune.datasets.imagenet_v2 import FOLDERS

CONFIGS = Path(__file__).parents[2] / 'configs' / 'imagenet_v2'
CLASSES = tuple(
    f'class {number}' for number in range(12)
)  # as strings '10' and '11' come before '2'


@pytest.fixture
def root(tmp_path):
    """Two images of each class in the brightness of its number."""
    for variant, folder in enumerate(FOLDERS.values()):
        for number in range(12):
            (tmp_path / folder / str(number)).mkdir(parents=True)
            for name in ('a.jpeg', 'b.png'):
                image = np.full((40, 60, 3), 20 * number + variant, np.uint8)
                cv2.imwrite(str(tmp_path / folder / str(number) / name), image)
    return tmp_path


def build(root, **options):
    init_default_scope('mmpretrain')
    return DATASETS.build(
        {
            'type': 'mmrobustprune.ImageNetV2',
            'data_root': str(root),
            'metainfo': dict(classes=CLASSES),
            'pipeline': [],
            **options,
        }
    )


@pytest.mark.parametrize('variant', FOLDERS)
def test_a_folder_is_the_class_of_its_number(root, variant):
    dataset = build(root, variant=variant)
    assert len(dataset) == 24 and dataset.get_gt_labels().tolist() == [
        number for number in range(12) for _ in range(2)
    ]
    for index in range(24):
        info = dataset.get_data_info(index)
        path = Path(info['img_path'])
        assert path.parts[-3:-1] == (FOLDERS[variant], str(info['gt_label']))
        assert cv2.imread(str(path))[0, 0, 0] == 20 * info['gt_label'] + list(FOLDERS).index(
            variant
        )


def test_the_order_of_strings_would_mislabel(root):
    """What mmpretrain's own data set makes of the same folders."""
    init_default_scope('mmpretrain')
    stock = DATASETS.build(
        dict(
            type='mmpretrain.CustomDataset', data_root=str(root), data_prefix=FOLDERS['top-images']
        )
    )
    folders = [
        (Path(info['img_path']).parent.name, str(info['gt_label']))
        for info in map(stock.get_data_info, range(24))
    ]
    assert sum(folder != label for folder, label in folders) == 20  # all but 0 and 1


@pytest.mark.parametrize(
    'name, variant',
    [('matched', 'matched-frequency'), ('threshold', 'threshold-0.7'), ('top', 'top-images')],
)
def test_configs_test_resnet50_on_a_variant_through_the_stock_pipeline(root, name, variant):
    config = Config.fromfile(CONFIGS / f'resnet50_imagenet-v2-{name}.py')
    assert (
        config.test_dataloader.dataset.variant == variant
        and config.val_dataloader.dataset.type == 'ImageNet'
    )
    steps = [{**step, '_scope_': 'mmpretrain'} for step in config.val_dataloader.dataset.pipeline]
    assert config.test_dataloader.dataset.pipeline == steps
    assert config.model.backbone.depth == 50 and config.test_evaluator.type == 'Accuracy'
    config.test_dataloader.dataset.update(data_root=str(root), metainfo=dict(classes=CLASSES))
    config.test_dataloader.update(
        num_workers=0,
        persistent_workers=False,
        batch_size=5,
        collate_fn=dict(type='default_collate'),
    )
    init_default_scope('mmpretrain')
    loader, metric = Runner.build_dataloader(config.test_dataloader, seed=0), Accuracy()
    for batch in loader:
        assert batch['inputs'].shape[1:] == (3, 224, 224) and batch['inputs'].dtype == torch.uint8
        brightness = batch['inputs'].float().mean((1, 2, 3))
        guess = torch.round((brightness - list(FOLDERS).index(variant)) / 20).long()
        metric.process(
            None,
            [
                dict(pred_label=guess[at : at + 1], gt_label=sample.gt_label)
                for at, sample in enumerate(batch['data_samples'])
            ],
        )
    assert metric.evaluate(24) == {'accuracy/top1': 100}


def test_the_real_set_has_a_thousand_classes(root):
    with pytest.raises(
        FileNotFoundError, match=r'no images of 988 of 1000 classes \(the first is folder 12\)'
    ):
        build(root, metainfo=None)


def test_what_is_missing_is_named(root):
    with pytest.raises(
        ValueError,
        match="no variant 'matched-frequencies' .did you mean 'matched-frequency'..; choose among",
    ):
        build(root, variant='matched-frequencies')
    for path in (root / FOLDERS['top-images'] / '7').iterdir():
        path.unlink()
    with pytest.raises(
        FileNotFoundError, match=r'no images of 1 of 12 classes \(the first is folder 7\)'
    ):
        build(root, variant='top-images')
    (root / FOLDERS['top-images'] / '07').mkdir()
    with pytest.raises(ValueError, match="the folder '07', which is no class number from 0 to 11"):
        build(root, variant='top-images')
    with pytest.raises(
        FileNotFoundError,
        match="val is not there, so ImageNet-V2 'threshold-0.7' cannot be read; unpack",
    ):
        build(root / 'nowhere', variant='threshold-0.7')
