import hashlib

import cv2
import numpy as np
import pytest

from mmrobustprune.corruption.images import (
    PNG_END,
    content_of,
    decode,
    encode,
    some,
)


def test_a_few_names_stand_for_many():
    assert some([1, 2, 3]) == '1, 2, 3' and some('abcde', 2) == 'a, b and 3 more'


def test_png_keeps_every_pixel_and_its_end_is_known(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    data = encode(rgb)
    assert data.startswith(b'\x89PNG') and data.endswith(PNG_END)
    (tmp_path / 'a.png').write_bytes(data)
    assert np.array_equal(decode(tmp_path / 'a.png'), rgb)
    assert np.array_equal(cv2.imread(str(tmp_path / 'a.png'))[..., ::-1], rgb)


def test_what_cannot_be_decoded_is_named(tmp_path):
    with pytest.raises(ValueError, match='none.png cannot be read .No such file'):
        decode(tmp_path / 'none.png')
    (tmp_path / 'empty.png').write_bytes(b'')
    with pytest.raises(ValueError, match='empty.png is no image; mend the file'):
        decode(tmp_path / 'empty.png')


def test_contents_differ_by_pixels_and_by_shape():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    text = b'(2, 4, 3)' + bytes(range(24))
    assert content_of(image) == hashlib.blake2b(text, digest_size=16).hexdigest()
    assert content_of(image) != content_of(image.reshape(4, 2, 3))
    assert content_of(image[:, ::-1]) == content_of(image[:, ::-1].copy())
