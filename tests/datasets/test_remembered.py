import cv2
import numpy as np
import pytest

pytest.importorskip('mmdet')
from mmengine.registry import TRANSFORMS

import mmrobustprune.datasets  # noqa: F401  registers


@pytest.mark.parametrize('shape, kind', [((9, 12, 3), 'color'), ((9, 12), 'grayscale')])
def test_an_image_is_read_once_and_changes_stay_outside(tmp_path, shape, kind):
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    load = TRANSFORMS.build(dict(type='mmrobustprune.LoadImageOnce', color_type=kind))
    stock = TRANSFORMS.build(dict(type='LoadImageFromFile', color_type=kind, _scope_='mmdet'))
    first = load(dict(img_path=path))
    expected = stock(dict(img_path=path))
    assert np.array_equal(first['img'], expected['img'])
    assert first['img_shape'] == expected['img_shape'] == (9, 12)
    first['img'][:] = 0
    (tmp_path / 'a.png').unlink()
    second = load(dict(img_path=path, note='kept'))
    assert np.array_equal(second['img'], expected['img']) and second['note'] == 'kept'
