from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from scipy.io import savemat

import mmrobustprune.engine  # noqa: F401  torch's and mmengine's ways are mended
from mmrobustprune.datasets import SVHN, svhn

CONFIGS = Path(__file__).parents[2] / 'configs' / 's2ap'


@pytest.fixture
def root(tmp_path, monkeypatch):
    """23 and 11 images in the layout of the published files; image n has the label (n + 1) % 10 and
    a red of n.
    """
    monkeypatch.setattr(svhn, 'LENGTHS', dict(train=23, test=11))
    for split, length in svhn.LENGTHS.items():
        write(tmp_path, split, *samples(length))
    return tmp_path


def samples(length):
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, length), dtype=np.uint8)
    images[:, :, 0] = np.arange(length)
    return images, (np.arange(length)[:, None] % 10 + 1).astype(np.uint8)


def write(root, split, images, labels):
    savemat(root / f'{split}_32x32.mat', dict(X=images, y=labels), do_compression=True)


def test_images_and_digits(root):
    train, test = SVHN(str(root)), SVHN(str(root), 'test')
    assert (len(train), len(test)) == (23, 11) and train.CLASSES == tuple('0123456789')
    assert train.get_gt_labels().tolist() == [(n + 1) % 10 for n in range(23)]  # 10 is the digit 0
    images, _ = samples(23)
    for n in (0, 9, 22):
        image = train.get_data_info(n)['img']
        assert (
            image.dtype == np.uint8
            and image.flags.c_contiguous
            and np.array_equal(image, images[..., n])
        )


def test_the_last_images_are_held_out(root):
    rest, held = SVHN(str(root), indices=18), SVHN(str(root), indices=-5)
    assert [rest[n]['img'][0, 0, 0] for n in range(len(rest))] == list(range(18))
    assert [held[n]['img'][0, 0, 0] for n in range(len(held))] == list(range(18, 23))


@pytest.mark.parametrize(
    'change, message',
    [
        (
            dict(length=22),
            r'holds uint8 images \(32, 32, 3, 22\) and 22 labels where uint8 '
            r'\(32, 32, 3, 23\) and 23 belong',
        ),
        (dict(labels=np.zeros((23, 1), np.uint8)), 'has labels from 0 to 0 where 1 to 10 belong'),
        (dict(images=np.zeros((32, 32, 3, 23))), 'holds float64 images'),
        (dict(labels=np.ones((22, 1), np.uint8)), 'and 22 labels where'),
    ],
)
def test_files_of_something_else_are_refused(root, change, message):
    images, labels = samples(change.get('length', 23))
    write(root, 'train', change.get('images', images), change.get('labels', labels))
    with pytest.raises(ValueError, match=message):
        SVHN(str(root))


def test_missing_and_cut_files_are_refused(root):
    path = root / 'train_32x32.mat'
    whole = path.read_bytes()
    for left in (0, 100, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:left])
        with pytest.raises(ValueError, match='(cannot be read|belong).*fetch it again'):
            SVHN(str(root))
    path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    with pytest.raises(ValueError, match='cannot be read'):
        SVHN(str(root))
    savemat(path, dict(other=np.zeros(3)))
    with pytest.raises(ValueError, match="cannot be read .'X'.; fetch it again"):
        SVHN(str(root))
    path.unlink()
    with pytest.raises(
        FileNotFoundError, match='train_32x32.mat is not there; put train_32x32.mat from http'
    ):
        SVHN(str(root))
    with pytest.raises(ValueError, match="no split 'extra'; choose train or test"):
        SVHN(str(root), 'extra')


def test_the_config_reads_it_without_mirroring(root):
    config = Config.fromfile(CONFIGS / 'resnet18_1xb128-100e_svhn.py')
    assert config.train_dataloader.dataset.indices + 5_000 == 73_257
    init_default_scope('mmpretrain')
    for name, indices, length in (('train', 18, 18), ('val', -5, 5), ('test', None, 11)):
        loader = config[f'{name}_dataloader']
        loader.dataset.update(data_root=str(root), indices=indices)
        loader.update(num_workers=0, persistent_workers=False, batch_size=4)
        loader = Runner.build_dataloader(loader, seed=0)
        assert len(loader.dataset) == length
        batch = next(iter(loader))
        assert batch['inputs'][0].shape == (3, 32, 32) and len(batch['data_samples']) == 4
        steps = [type(step).__name__ for step in loader.dataset.pipeline.transforms]
        assert steps == (['RandomCrop', 'PackInputs'] if name == 'train' else ['PackInputs'])


def test_the_published_lengths():
    assert svhn.LENGTHS == dict(train=73_257, test=26_032)
    with pytest.raises(TypeError, match='unexpected'):
        DATASETS.build(dict(type='mmrobustprune.SVHN', data_root='nowhere', splits='train'))
