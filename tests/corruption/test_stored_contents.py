"""Stored trees are tied to the bytes of their own files and of the clean ones."""

import os

import cv2
import numpy as np
import pytest

from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.stored import open_stored
from mmrobustprune.corruption.write import write_tree

FOG = Cell('fog', 2)
SUITE = get_suite('voc-c')


def write_image(path, value):
    assert cv2.imwrite(str(path), np.full((40, 48, 3), value, np.uint8))


@pytest.fixture
def clean(tmp_path):
    paths = [tmp_path / 'clean' / f'{name}.png' for name in 'ab']
    paths[0].parent.mkdir()
    for value, path in enumerate(paths):
        write_image(path, 60 + value)
    return paths


def test_clean_files_that_changed_are_refused_and_written_anew(clean, tmp_path):
    write_tree(clean, tmp_path / 'out', SUITE, [FOG])
    before = open_stored(tmp_path / 'out', SUITE)
    before.check([FOG], clean)
    write_image(clean[1], 200)
    changed = r'1 of 2 clean images have changed since .*b\.png'
    with pytest.raises(ValueError, match=changed):
        open_stored(tmp_path / 'out', SUITE).check([FOG], clean)
    write_tree(clean, tmp_path / 'out', SUITE, [FOG])
    after = open_stored(tmp_path / 'out', SUITE)
    after.check([FOG], clean)
    assert after.content(FOG) != before.content(FOG)
    assert after.checksums[FOG][0] == before.checksums[FOG][0]


def test_a_stored_file_that_changed_is_refused(clean, tmp_path):
    write_tree(clean, tmp_path / 'out', SUITE, [FOG])
    file = tmp_path / 'out' / 'fog' / '2' / 'a.png'
    before = file.stat()
    file.write_bytes(bytes(before.st_size))  # as large as before, and as old
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ValueError, match=r'1 of 2 images in .* have changed .*\(a\.png\)'):
        open_stored(tmp_path / 'out', SUITE).check([FOG], clean)
    write_image(file, 0)
    with pytest.raises(ValueError, match=r'a\.png has changed since it was written'):
        open_stored(tmp_path / 'out', SUITE).read(FOG, 0, clean[0])
