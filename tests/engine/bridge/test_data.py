"""Fingerprints of data sets: equal for equal bytes and annotations wherever they lie, else not."""

import shutil

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmengine.fileio import dump
from mmpretrain.datasets import CustomDataset, MultiTaskDataset
from PIL import Image

from mmrobustprune.engine.bridge.data import (
    fingerprint,
    image_digests,
    image_sizes,
    info_of,
    named_files,
)

BOX = [2.0, 3.0, 10.0, 8.0]
POLYGON = [[2.0, 3.0, 12.0, 3.0, 12.0, 11.0]]


def image(seed, height=24, width=32):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes of two images each."""
    for index in range(4):
        path = tmp_path / 'set' / 'ab'[index % 2] / f'{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image(index))
    return tmp_path / 'set'


def of_folder(folder):
    return CustomDataset(data_root=str(folder), data_prefix='')


def re_encode(path):
    cv2.imwrite(str(path), cv2.imread(str(path)), [cv2.IMWRITE_PNG_COMPRESSION, 0])


def rotate_by_flag(path):
    """The pixels stay; a reader that heeds EXIF turns them."""
    flags = Image.Exif()
    flags[0x0112] = 6
    with Image.open(path) as before:
        before.load()
        before.save(path, exif=flags)


def replace(path):
    cv2.imwrite(str(path), image(99))


def remove(path):
    path.unlink()


@pytest.mark.parametrize('change', [re_encode, rotate_by_flag, replace, remove])
def test_an_image_that_changes_under_its_name_changes_the_fingerprint(folder, change):
    before = image_digests(of_folder(folder))
    whole = fingerprint(of_folder(folder))
    assert whole == fingerprint(of_folder(folder))
    dataset = of_folder(folder)
    change(folder / 'b' / '3.png')
    after = image_digests(dataset)
    assert fingerprint(dataset) != whole
    assert [name for name, digest in set(after) - set(before)] == ['b/3.png']


def test_a_copy_of_the_data_set_is_the_same(folder, tmp_path):
    shutil.copytree(folder, tmp_path / 'elsewhere' / 'set')
    copy = of_folder(tmp_path / 'elsewhere' / 'set')
    assert fingerprint(copy) == fingerprint(of_folder(folder))


def test_another_label_is_another_data_set(folder):
    dataset = of_folder(folder)
    before = fingerprint(dataset)
    infos = [dataset.get_data_info(index) for index in range(4)]
    dataset.get_data_info = lambda index: {**infos[index], 'gt_label': 0}
    assert fingerprint(dataset) != before


def coco(root, box=BOX, polygon=POLYGON, semantic=False):
    """One image with an object; `semantic` adds a file of its stuff."""
    (root / 'images').mkdir(parents=True, exist_ok=True)
    if not (root / 'images' / 'a.jpg').exists():
        cv2.imwrite(str(root / 'images' / 'a.jpg'), image(0))
        cv2.imwrite(str(root / 'images' / 'a.png'), image(1))
    one = dict(id=1, image_id=1, category_id=1, bbox=box, area=80.0, iscrowd=0)
    content = dict(
        images=[dict(id=1, file_name='a.jpg', height=24, width=32)],
        annotations=[dict(one, segmentation=polygon)],
        categories=[dict(id=1, name='cat')],
    )
    dump(content, root / 'coco.json')
    places = dict(img='images/', seg='images/') if semantic else dict(img='images/')
    return CocoDataset(
        data_root=str(root),
        ann_file='coco.json',
        data_prefix=places,
        metainfo=dict(classes=('cat',)),
        test_mode=True,
    )


@pytest.mark.parametrize(
    'changes',
    [
        dict(box=[2.0, 3.0, 10.0, 9.0]),
        dict(polygon=[[2.0, 3.0, 12.0, 3.0, 12.0, 10.0]]),
        dict(polygon=dict(size=[24, 32], counts='04P2')),
    ],
)
def test_boxes_and_masks_count(tmp_path, changes):
    before = fingerprint(coco(tmp_path))
    assert fingerprint(coco(tmp_path)) == before != fingerprint(coco(tmp_path, **changes))


def test_a_file_of_masks_counts_by_its_bytes(tmp_path):
    before = fingerprint(coco(tmp_path, semantic=True))
    assert before != fingerprint(coco(tmp_path))
    replace(tmp_path / 'images' / 'a.png')
    assert fingerprint(coco(tmp_path, semantic=True)) != before


class Arrays:
    """The least that a data set of arrays is."""

    def __init__(self, *images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def get_data_info(self, index):
        return dict(img=self.images[index], gt_label=0)


def test_arrays_count_by_pixels_and_shape():
    flat = np.arange(48, dtype=np.uint8)
    wide, high = flat.reshape(2, 8, 3), flat.reshape(8, 2, 3)
    assert fingerprint(Arrays(wide)) == fingerprint(Arrays(wide.copy()))
    assert len({fingerprint(Arrays(one)) for one in (wide, high, wide + 1)}) == 3


def multi_task(tmp_path, colour=1):
    cv2.imwrite(str(tmp_path / 'a.png'), image(0))
    labels = dict(colour=colour, form=0)
    tasks = [dict(name='colour'), dict(name='form')]
    listed = [dict(img_path='a.png', gt_label=labels)]
    dump(dict(metainfo=dict(tasks=tasks), data_list=listed), tmp_path / 'tasks.json')
    return MultiTaskDataset(ann_file='tasks.json', data_root=str(tmp_path), pipeline=[])


def test_a_data_set_that_keeps_a_list_alone_is_read_from_it(tmp_path):
    dataset = multi_task(tmp_path)
    before = fingerprint(dataset)
    info_of(dataset, 0)['gt_label'].clear()  # a copy
    assert fingerprint(dataset) == before != fingerprint(multi_task(tmp_path, colour=2))
    assert image_sizes(dataset) == {(24, 32): 1}


def test_a_data_set_that_says_nothing_is_one_sentence():
    with pytest.raises(ValueError, match='list has neither get_data_info.* nor data_list'):
        fingerprint([1, 2])


def test_sizes_are_those_of_all_images(folder):
    cv2.imwrite(str(folder / 'a' / '2.png'), image(5, 40, 20))
    (folder / 'b' / '1.png').write_bytes(b'no image')
    assert image_sizes(of_folder(folder)) == {(24, 32): 2, (40, 20): 1}
    assert image_sizes(Arrays(image(0, 8, 6), image(1, 8, 6))) == {(8, 6): 2}


def test_files_that_a_config_names_are_found(folder, tmp_path):
    file = folder / 'a' / '0.png'
    settings = [dict(type='CocoMetric', ann_file=str(file)), dict(metrics=('bbox', 'no/file'))]
    assert list(named_files(settings)) == [str(file)]
