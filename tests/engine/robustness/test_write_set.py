"""Stored sets: what was written is what would be computed, and published layouts are found."""

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.hub import get_config
from mmpretrain.registry import TRANSFORMS

from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.stored import open_stored
from mmrobustprune.engine.robustness.pipeline import CellPipeline, Stored
from mmrobustprune.engine.robustness.runner import evaluate_config
from mmrobustprune.engine.robustness.write_set import write_test_set
from tests.engine.robustness.toys import arrays, random_weights, save, voc, write_voc

ASKED = dict(corruptions=['shot_noise', 'elastic_transform'], severities=[3, 5])


def test_a_written_tree_gives_the_numbers_of_the_computed_corruptions(root, tmp_path, monkeypatch):
    config = voc(root, tmp_path)
    checkpoint = save(config, tmp_path / 'toy.pth')
    write_test_set(config, tmp_path / 'voc-c', **ASKED, seed=4)
    computed = evaluate_config(config, checkpoint, tmp_path / 'a', dict(ASKED, seed=4))
    stored = evaluate_config(
        config, checkpoint, tmp_path / 'b', dict(ASKED, seed=4, stored=str(tmp_path / 'voc-c'))
    )
    assert stored['cells'] == computed['cells'] and stored['stored'] == str(tmp_path / 'voc-c')
    with pytest.raises(ValueError, match='was written with seed 4 and seed 0 is asked for'):
        evaluate_config(
            config, checkpoint, tmp_path / 'c', dict(ASKED, stored=str(tmp_path / 'voc-c'))
        )
    with pytest.raises(FileNotFoundError, match='1 of 1 cells are missing'):
        evaluate_config(
            config,
            checkpoint,
            tmp_path / 'c',
            dict(corruptions='fog', severities=1, seed=4, stored=str(tmp_path / 'voc-c')),
        )
    next((tmp_path / 'voc-c' / 'shot_noise' / '3').rglob('000002.png')).unlink()
    with pytest.raises(FileNotFoundError, match='1 of 6 files are missing .*000002.png'):
        evaluate_config(
            config, checkpoint, tmp_path / 'c', dict(ASKED, seed=4, stored=str(tmp_path / 'voc-c'))
        )


ONE = dict(corruptions='shot_noise', severities=3, suite='voc-c')


def test_an_old_tree_beside_new_clean_images_is_refused_and_written_anew(tmp_path):
    root = write_voc(tmp_path / 'voc')
    config = voc(root, tmp_path)
    checkpoint = save(config, tmp_path / 'toy.pth')
    tree = tmp_path / 'voc-c'
    asked = dict(ONE, stored=str(tree))
    write_test_set(config, tree, **ONE)
    image = root / 'JPEGImages' / '000002.jpg'
    cv2.imwrite(str(image), cv2.imread(str(image))[:, ::-1])
    with pytest.raises(ValueError, match='1 of 6 clean images have changed since .*000002.jpg'):
        evaluate_config(config, checkpoint, tmp_path / 'a', asked)
    kept = sorted(tree.rglob('*.png'))
    before = [path.stat().st_mtime_ns for path in kept]
    write_test_set(config, tree, **ONE)
    changed = [
        path.name for path, was in zip(kept, before, strict=True) if path.stat().st_mtime_ns != was
    ]
    assert changed == ['000002.png']
    stored = evaluate_config(config, checkpoint, tmp_path / 'a', asked)
    computed = evaluate_config(config, checkpoint, tmp_path / 'b', ONE)
    assert stored['cells'] == computed['cells'] and stored['data'] == computed['data']


def test_files_of_an_unfinished_tree_are_not_kept_for_other_clean_images(tmp_path):
    """The first run was stopped, so that the manifest knows no cell of the files that are there."""
    root = write_voc(tmp_path / 'voc')
    config = voc(root, tmp_path)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_test_set(config, tmp_path / 'voc-c', **ONE, progress=stop)
    (first,) = (tmp_path / 'voc-c').rglob('*.png')
    image = root / 'JPEGImages' / f'{first.stem}.jpg'
    cv2.imwrite(str(image), cv2.imread(str(image))[:, ::-1])
    write_test_set(config, tmp_path / 'voc-c', **ONE)
    clean = cv2.imread(str(image))[..., ::-1]
    stored = cv2.imread(str(first))[..., ::-1]
    assert np.array_equal(stored, apply(np.ascontiguousarray(clean), 'shot_noise', 3, 0))


def test_a_stored_image_that_has_changed_is_refused(root, tmp_path):
    config = voc(root, tmp_path)
    checkpoint = save(config, tmp_path / 'toy.pth')
    write_test_set(config, tmp_path / 'voc-c', **ONE)
    asked = dict(ONE, stored=str(tmp_path / 'voc-c'))
    first = evaluate_config(config, checkpoint, tmp_path / 'a', asked)
    file = next((tmp_path / 'voc-c').rglob('000003.png'))
    cv2.imwrite(str(file), cv2.imread(str(file))[:, ::-1])
    for folder in ('a', 'b'):  # with finished cells and without
        with pytest.raises(ValueError, match=r'1 of 6 images in .* have changed .*000003.png'):
            evaluate_config(config, checkpoint, tmp_path / folder, asked)
    write_test_set(config, tmp_path / 'voc-c', **ONE)
    assert evaluate_config(config, checkpoint, tmp_path / 'a', asked)['mPC'] == first['mPC']


def test_published_imagenet_c_is_cropped_and_not_resized(tmp_path):
    """Stored images are 224 already; resized once more they would be other pixels."""
    rng = np.random.default_rng(0)
    for index in range(4):
        for folder, side in (('val', 300), ('c/fog/2', 224)):
            path = tmp_path / folder / 'ab'[index % 2] / f'{index}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    config = get_config('mmpretrain::resnet/resnet18_8xb32_in1k.py')
    config.merge_from_dict(dict(log_level='ERROR', load_from=None, custom_hooks=[]))
    loader = config.test_dataloader
    loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    loader.dataset = dict(
        type='CustomDataset', data_root=str(tmp_path / 'val'), pipeline=loader.dataset.pipeline
    )
    checkpoint = random_weights(config, tmp_path / 'random.pth')
    asked = dict(corruptions='fog', severities=2, stored=str(tmp_path / 'c'), workers=0)
    stored = evaluate_config(config, checkpoint, tmp_path / 'out', asked)
    seen = []

    def look(results):
        seen.append(results['img'])
        return results

    assert stored['suite'] == 'imagenet-c' and stored['seed'] is None and len(stored['cells']) == 1
    steps = Compose([TRANSFORMS.build(step) for step in loader.dataset.pipeline[:-1]]).transforms
    pipe = CellPipeline(
        [*steps, look], Stored(open_stored(tmp_path / 'c', get_suite('imagenet-c')))
    )
    pipe.cells = [Cell('fog', 2)]
    pipe(dict(img_path=str(tmp_path / 'val' / 'a' / '0.png'), sample_idx=0))
    first = tmp_path / 'c' / 'fog' / '2' / 'a' / '0.png'
    assert np.array_equal(seen[0], cv2.imread(str(first)))
    again = []
    evaluate_config(config, checkpoint, tmp_path / 'out', asked, lambda *one: again.append(one))
    assert not again  # every cell is kept
    cv2.imwrite(str(first), seen[0][:, ::-1])
    evaluate_config(config, checkpoint, tmp_path / 'out', asked, lambda *one: again.append(one))
    assert {part[0].corruption for part, *_ in again} == {'fog'}  # of other images now


def test_arrays_of_another_length_than_the_data_set_are_refused(tmp_path):
    images = np.zeros((50000, 32, 32, 3), np.uint8)
    (tmp_path / 'c').mkdir()
    np.save(tmp_path / 'c' / 'fog.npy', images)
    np.save(tmp_path / 'c' / 'labels.npy', np.zeros(50000, int))
    config = arrays(tmp_path)
    with pytest.raises(ValueError, match='12 images and .* has 10000'):
        evaluate_config(
            config,
            save(config, tmp_path / 'toy.pth'),
            tmp_path / 'out',
            dict(suite='cifar-10-c', corruptions='fog', severities=1, stored=str(tmp_path / 'c')),
        )


def test_computed_cifar_10_c_has_its_own_constants(tmp_path):
    config = arrays(tmp_path)
    checkpoint = save(config, tmp_path / 'toy.pth')
    asked = dict(corruptions=['contrast', 'gaussian_noise'], severities=[1, 5])
    own, at32 = [
        evaluate_config(config, checkpoint, tmp_path / suite, dict(asked, suite=suite))
        for suite in ('cifar-10-c', 'imagenet-c-at-32')
    ]
    assert own['suite'] == 'cifar-10-c' and own['cells'] != at32['cells']
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert not np.array_equal(
        apply(image, 'contrast', 1), apply(image, 'contrast', 1, family='cifar')
    )
