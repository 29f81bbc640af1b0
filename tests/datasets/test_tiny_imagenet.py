"""Tiny-ImageNet's layout: folders per class to train, one folder and a list to validate."""

import cv2
import numpy as np
import pytest

pytest.importorskip('mmpretrain')
from mmrobustprune.datasets import TinyImageNet

CLASSES = ('n02', 'n01', 'n10')  # as wnids.txt lists them
BOX = '0\t32\t44\t62'


def image(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((64, 64, 3), value, np.uint8))


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'wnids.txt').write_text(''.join(f'{name}\n' for name in CLASSES))
    (tmp_path / 'words.txt').write_text('n01\tgoldfish, fish\nn02\tnewt\nn99\tother\n')
    for place, name in enumerate(CLASSES):
        for number in range(2):
            image(
                tmp_path / 'train' / name / 'images' / f'{name}_{number}.JPEG', 10 * place + number
            )
        (tmp_path / 'train' / name / f'{name}_boxes.txt').write_text('')
    lines = []
    for number, name in enumerate(('n10', 'n01', 'n02', 'n01')):
        image(tmp_path / 'val' / 'images' / f'val_{number}.JPEG', 200 + number)
        lines.append(f'val_{number}.JPEG\t{name}\t{BOX}\n')
    (tmp_path / 'val' / 'val_annotations.txt').write_text(''.join(lines))
    return tmp_path


def listed(data):
    infos = [data.get_data_info(number) for number in range(len(data))]
    return [(one['img_path'].rsplit('/', 1)[1], one['gt_label']) for one in infos]


def test_training_images_by_their_folders(root):
    data = TinyImageNet(str(root))
    expected = [
        (f'{name}_{number}.JPEG', label)
        for label, name in enumerate(sorted(CLASSES))
        for number in range(2)
    ]
    assert listed(data) == expected
    assert data.CLASSES == ('goldfish, fish', 'newt', 'n10')


def test_validation_images_by_the_annotations(root):
    data = TinyImageNet(str(root), 'val', pipeline=[dict(type='LoadImageFromFile')])
    assert listed(data) == [
        ('val_1.JPEG', 0),
        ('val_3.JPEG', 0),
        ('val_2.JPEG', 1),
        ('val_0.JPEG', 2),
    ]
    assert abs(int(data[2]['img'].mean()) - 202) <= 1 and data[2]['img'].shape == (64, 64, 3)
    assert len(TinyImageNet(str(root), 'val', indices=-1)) == 1


@pytest.mark.parametrize(
    'split, change, error, said',
    [
        ('test', lambda root: None, ValueError, "no split 'test'; choose train or val"),
        (
            'train',
            lambda root: (root / 'wnids.txt').unlink(),
            FileNotFoundError,
            'wnids.txt is not',
        ),
        (
            'train',
            lambda root: [file.unlink() for file in (root / 'train/n01/images').iterdir()],
            FileNotFoundError,
            'n01/images holds no image',
        ),
        (
            'val',
            lambda root: (root / 'val/images/val_2.JPEG').unlink(),
            FileNotFoundError,
            r'1 images of .*val_annotations.txt are not there \(the first is .*val_2',
        ),
        (
            'val',
            lambda root: (root / 'val/val_annotations.txt').write_text(f'val_0.JPEG\tn77\t{BOX}\n'),
            ValueError,
            "val_0.JPEG is said to be of class 'n77', which wnids.txt",
        ),
        (
            'val',
            lambda root: (root / 'val/val_annotations.txt').write_text('val_0.JPEG n01\n'),
            ValueError,
            'line 1: .* is no file name and class',
        ),
    ],
)
def test_another_tree_is_refused_in_one_sentence(root, split, change, error, said):
    change(root)
    with pytest.raises(error, match=said) as raised:
        TinyImageNet(str(root), split)
    assert '\n' not in str(raised.value)
