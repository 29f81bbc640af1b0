import json
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

pytest.importorskip('mmdet')
from mmengine.registry import DATASETS

from mmrobustprune.datasets import write_shapes
from mmrobustprune.datasets.scenes import CLASSES, draw_scene


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_shapes(
        tmp_path_factory.mktemp('data') / 'shapes', train=6, test=3, size=96, seed=5
    )


def _dataset(root, split='test', **fields):
    return DATASETS.build(
        dict(
            type='mmrobustprune.ShapesDataset',
            data_root=str(root),
            ann_file=f'ImageSets/Main/{split}.txt',
            generate=dict(train=6, test=3, size=96, seed=5),
            data_prefix=dict(sub_data_root=''),
            test_mode=True,
            pipeline=[dict(type='mmdet.LoadAnnotations', with_bbox=True)],
            **fields,
        )
    )


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(root, tmp_path):
    same = write_shapes(tmp_path / 'same', train=6, test=3, size=96, seed=5)
    other = write_shapes(tmp_path / 'other', train=6, test=3, size=96, seed=6)
    files = sorted(file.relative_to(root) for file in root.rglob('*') if file.is_file())
    assert len(files) == 9 * 2 + 2 + 1
    assert all((same / file).read_bytes() == (root / file).read_bytes() for file in files)
    assert (other / files[0]).read_bytes() != (root / files[0]).read_bytes()


def test_who_asks_for_the_classes_alone_writes_nothing(tmp_path):
    dataset = DATASETS.build(
        dict(
            type='mmrobustprune.ShapesDataset',
            data_root=str(tmp_path / 'none'),
            lazy_init=True,
            ann_file='ImageSets/Main/test.txt',
            data_prefix=dict(sub_data_root=''),
            pipeline=[],
        )
    )
    assert len(dataset.metainfo['classes']) > 1 and not (tmp_path / 'none').exists()


def test_the_splits_differ(root):
    first = [
        cv2.imread(str(root / 'JPEGImages' / f'{split}_00000.jpg')) for split in ('train', 'test')
    ]
    assert not np.array_equal(*first)


def test_written_sets_are_kept_and_never_mixed(root, tmp_path):
    before = (root / 'shapes.json').stat().st_mtime_ns
    assert write_shapes(root, train=6, test=3, size=96, seed=5) == root
    assert (root / 'shapes.json').stat().st_mtime_ns == before
    with pytest.raises(ValueError, match='holds the shapes set .* asked for'):
        write_shapes(root, train=7, test=3, size=96, seed=5)
    (tmp_path / 'mine').mkdir()
    with pytest.raises(ValueError, match='is not a shapes set'):
        write_shapes(tmp_path / 'mine')
    with pytest.raises(ValueError, match='at least one image'):
        write_shapes(tmp_path / 'none', train=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['mine']


def test_mmdet_reads_boxes_as_they_were_drawn(root):
    dataset = _dataset(root)
    assert dataset.metainfo['classes'] == CLASSES and len(dataset) == 3
    for index in range(3):
        scene = draw_scene(np.random.default_rng([5, *b'test', index]), 96)
        sample = dataset[index]
        assert np.array_equal(sample['gt_bboxes'].tensor.numpy(), scene.boxes)
        assert sample['gt_bboxes_labels'].tolist() == scene.labels.tolist()


def test_annotations_are_voc_and_the_stamp_says_what_was_written(root):
    tree = ElementTree.parse(root / 'Annotations' / 'train_00000.xml')
    assert tree.find('size/width').text == '96' and tree.find('object/name').text in CLASSES
    assert json.loads((root / 'shapes.json').read_text()) == dict(train=6, test=3, size=96, seed=5)
