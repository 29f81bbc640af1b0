import json

import cv2
import numpy as np
import pytest

from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.images import decode
from mmrobustprune.corruption.stored import TreeSet, open_stored
from mmrobustprune.corruption.write import write_tree

FOG = Cell('fog', 2)
SNOW = Cell('snow', 5)
IMAGENET = get_suite('imagenet-c')


def save(path, colour, side):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((side, side, 3), colour[::-1], np.uint8))
    return path


def test_our_own_tree_is_found_by_path(tmp_path):
    files = [
        save(tmp_path / 'clean' / name, (10 * index, 20, 30), 40)
        for index, name in enumerate(('a/0.png', 'b/0.png', 'b/1.png'))
    ]
    write_tree(files, tmp_path / 'tree', get_suite('voc-c'), [FOG], seed=5)
    images = open_stored(tmp_path / 'tree', get_suite('voc-c'))
    assert isinstance(images, TreeSet) and images.seed == 5 and not images.cropped
    expected = decode(tmp_path / 'tree' / 'fog' / '2' / 'b' / '0.png')
    assert np.array_equal(images.read(FOG, 0, files[1]), expected)
    assert np.array_equal(images.read(FOG, 0, '/elsewhere/b/0.jpg'), expected)
    images.check([FOG], files)
    with pytest.raises(FileNotFoundError, match=r'1 of 2 cells are missing in .*\(snow 5\)'):
        images.check([FOG, SNOW])
    with pytest.raises(FileNotFoundError, match=r'1 of 2 images are missing in .*\(7.png\)'):
        images.check([FOG], [files[0], 'b/7.png'])
    for index, path in ((0, 'b/7.png'), (1, None)):
        with pytest.raises(ValueError, match='is not among the 3 images'):
            images.read(FOG, index, path)
    (tmp_path / 'tree' / 'fog' / '2' / 'a' / '0.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of 3 files are missing in .*give the command'):
        images.check([FOG], files)
    with pytest.raises(ValueError, match="written for suite 'voc-c' and 'coco-c' is asked for"):
        open_stored(tmp_path / 'tree', get_suite('coco-c'))


def test_a_tree_of_imagenet_c_holds_what_is_cut_out_and_an_old_one_whole_photographs(tmp_path):
    file = save(tmp_path / 'clean' / 'a' / '0.png', (10, 20, 30), 300)
    for suite, side in ((IMAGENET, 224), (get_suite('imagenet-c-uncropped'), 300)):
        root = tmp_path / suite.name
        write_tree([file], root, suite, [FOG])
        images = open_stored(root, suite)
        assert images.read(FOG, 0, file).shape == (side, side, 3)
        assert images.cropped == (side == 224)
    manifest = root / 'manifest.json'  # as it was written under the old name
    manifest.write_text(manifest.read_text().replace('imagenet-c-uncropped', 'imagenet-c'))
    assert open_stored(root, suite).read(FOG, 0, file).shape == (300, 300, 3)
    with pytest.raises(ValueError, match="for suite 'imagenet-c-uncropped' and 'imagenet-c' is"):
        open_stored(root, IMAGENET)


def test_a_tree_of_arrays_is_looked_up_by_the_clean_image(tmp_path):
    """Whatever number the image has in the data set, a part of that of the tree, or another."""
    clean = list(np.random.default_rng(0).integers(256, size=(3, 32, 32, 3), dtype=np.uint8))
    suite = get_suite('imagenet-c-at-32')
    write_tree(clean, tmp_path / 'tree', suite, [FOG])
    images = open_stored(tmp_path / 'tree', suite)
    for index in (0, 2):
        assert np.array_equal(
            images.read(FOG, index, None, clean[2]),
            decode(tmp_path / 'tree' / 'fog' / '2' / '2.png'),
        )
    with pytest.raises(
        ValueError, match='image 0 is not among the 3 images of .*write the tree from this data set'
    ):
        images.read(FOG, 0, None, clean[0] + 1)
    images.check([FOG])
    manifest = json.loads((tmp_path / 'tree' / 'manifest.json').read_text())
    del manifest['contents']  # as in a tree of files
    (tmp_path / 'tree' / 'manifest.json').write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match='does not say what its clean images are'):
        open_stored(tmp_path / 'tree', suite).check([FOG])
    with pytest.raises(ValueError, match='was written with other values of contents'):
        write_tree(clean, tmp_path / 'tree', suite, [FOG])


def test_what_is_no_stored_set_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='is no folder'):
        open_stored(tmp_path / 'none', IMAGENET)
    with pytest.raises(
        FileNotFoundError,
        match="no manifest.json; write a stored set of 'voc-c' with tools/make_corrupted.py",
    ):
        open_stored(tmp_path, get_suite('voc-c'))
