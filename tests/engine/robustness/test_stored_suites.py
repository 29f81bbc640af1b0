"""Evaluation of stored sets: what was written is what would be computed, and published layouts are found."""

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
from tests.engine.robustness.toys import arrays, random_weights, save, voc

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


def test_published_imagenet_c_is_cropped_and_not_resized(tmp_path):
    """Stored images are 224 already; a pipeline that resized them once more would see other pixels."""
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
    assert np.array_equal(seen[0], cv2.imread(str(tmp_path / 'c' / 'fog' / '2' / 'a' / '0.png')))


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
