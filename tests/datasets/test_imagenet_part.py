"""ImageNet's training images in two parts."""

import pytest

pytest.importorskip('mmpretrain')

from mmrobustprune.datasets import ImageNetPart


def test_both_parts_hold_images_of_every_class_and_together_all(tmp_path):
    for name in ('n01440764', 'n01443537'):
        (tmp_path / 'train' / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / 'train' / name / f'{number}.JPEG').touch()
    common = dict(
        data_root=str(tmp_path), split='train', every=4, metainfo=dict(classes=['a', 'b'])
    )
    kept, held = (ImageNetPart(held=held, **common) for held in (False, True))
    paths = [{one['img_path'] for one in part.load_data_list()} for part in (kept, held)]
    assert (len(kept), len(held)) == (6, 2) and not paths[0] & paths[1]
    assert [held.get_data_info(place)['gt_label'] for place in range(2)] == [0, 1]
    with pytest.raises(ValueError, match='every=1 is no whole number >= 2'):
        ImageNetPart(every=1, data_root=str(tmp_path))
