import pickle

import cv2
import numpy as np
import pytest

from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.published import ArraySet, FolderSet
from mmrobustprune.corruption.stored import open_stored

FOG = Cell('fog', 2)
SNOW = Cell('snow', 5)
IMAGENET = get_suite('imagenet-c')
CIFAR = get_suite('cifar-10-c')


def flat(colour, side=224):
    return np.full((side, side, 3), colour, np.uint8)


def save(path, colour, side=224):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), flat(colour, side)[..., ::-1])
    return path


@pytest.fixture
def imagenet(tmp_path):
    """Two classes of two images; '0.png' is in both."""
    for cell, grey in ((FOG, 100), (SNOW, 200)):
        for index, name in enumerate(('n01/0', 'n01/val_1', 'n02/0', 'n02/val_2')):
            save(
                tmp_path / cell.corruption / str(cell.severity) / f'{name}.png',
                (grey + index, 1, 2),
            )
    return tmp_path


@pytest.fixture(scope='module')
def arrays(tmp_path_factory):
    """Sparse files; three pixels say where they are."""
    root = tmp_path_factory.mktemp('CIFAR-10-C')
    for name in ('fog', 'snow'):
        images = np.lib.format.open_memmap(root / f'{name}.npy', 'w+', np.uint8, (50000, 32, 32, 3))
        for severity in range(1, 6):
            images[10000 * (severity - 1) + 7, 0, 0] = severity, len(name), 9
        images.flush()
    np.save(root / 'labels.npy', np.tile(np.arange(10000) % 10, 5).astype(np.uint8))
    return root


def test_imagenet_c_is_found_by_class_folder_and_stem(imagenet):
    images = open_stored(imagenet, IMAGENET)
    assert isinstance(images, FolderSet) and images.cropped and images.seed is None
    assert images.read(FOG, 99, '/data/val/n02/0.JPEG')[5, 5].tolist() == [102, 1, 2]  # RGB
    assert images.read(SNOW, 0, '/data/val/n01/0.JPEG')[0, 0, 0] == 200
    images.check([FOG, SNOW], ['n01/0.JPEG', 'n02/0.JPEG', 'n02/val_2.JPEG'])


def test_imagenet_c_is_found_by_a_unique_stem_where_the_clean_images_have_no_class_folders(
    imagenet,
):
    images = open_stored(imagenet, IMAGENET)
    assert images.read(FOG, 0, '/data/val/val_2.JPEG')[0, 0, 0] == 103
    with pytest.raises(
        ValueError, match=r'0.JPEG is in several folders of .*2 \(n01/0.png, n02/0.png\)'
    ):
        images.read(FOG, 0, '/data/val/0.JPEG')
    with pytest.raises(ValueError, match='1 of 2 images are in several folders'):
        images.check([FOG], ['val/0.JPEG', 'val/val_1.JPEG'])


def test_another_class_folder_is_never_taken_instead(imagenet):
    with pytest.raises(ValueError, match='val_1.JPEG is not in'):
        open_stored(imagenet, IMAGENET).read(FOG, 0, 'val/n02/val_1.JPEG')


def test_imagenet_c_with_a_folder_per_group(imagenet):
    (imagenet / 'weather').mkdir()
    (imagenet / 'fog').rename(imagenet / 'weather' / 'fog')
    assert open_stored(imagenet, IMAGENET).read(FOG, 0, 'n01/0.JPEG')[0, 0, 0] == 100


def test_missing_cells_and_images_are_counted_and_named(imagenet):
    images = open_stored(imagenet, IMAGENET)
    with pytest.raises(
        FileNotFoundError,
        match=r'4 of 5 cells are missing in .*\(fog 1, fog 3, fog 4 and 1 more\); add',
    ):
        images.check([Cell('fog', level) for level in range(1, 6)])
    with pytest.raises(
        FileNotFoundError, match=r'2 of 3 images are missing in .*fog/2 \(a.JPEG, b.JPEG\)'
    ):
        images.check([FOG], ['n01/a.JPEG', 'n01/0.JPEG', 'b.JPEG'])
    with pytest.raises(ValueError, match='a.JPEG is not in'):
        images.read(FOG, 0, 'n01/a.JPEG')
    with pytest.raises(ValueError, match='data set of files'):
        images.read(FOG, 0, None)


def test_images_of_another_size_or_kind_are_named(imagenet):
    images = open_stored(imagenet, IMAGENET)
    save(imagenet / 'fog' / '2' / 'n01' / 'val_1.png', (1, 1, 1), side=64)
    with pytest.raises(ValueError, match='val_1.png has 64x64 pixels and ImageNet-C 224x224'):
        images.read(FOG, 0, 'n01/val_1.JPEG')
    (imagenet / 'fog' / '2' / 'n01' / 'val_1.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='val_1.png is no image; mend'):
        images.read(FOG, 0, 'n01/val_1.JPEG')


def test_cifar_10_c_goes_by_row(arrays):
    images = open_stored(arrays, CIFAR)
    assert isinstance(images, ArraySet) and not images.cropped
    for severity in range(1, 6):
        image = images.read(Cell('snow', severity), 7, None)
        assert (
            image.shape == (32, 32, 3)
            and image[0, 0].tolist() == [severity, 4, 9]
            and image.sum() == severity + 13
        )
    image[:] = 1  # the caller's own
    assert images.read(Cell('snow', 5), 7, None).sum() == 18
    assert pickle.loads(pickle.dumps(images)).read(FOG, 7, None)[0, 0].tolist() == [2, 3, 9]
    with pytest.raises(ValueError, match='number 10000 was asked for'):
        images.read(FOG, 10000, None)


def test_files_in_another_order_are_refused_until_the_labels_agree(arrays):
    images = open_stored(arrays, CIFAR)
    labels = np.arange(10000) % 10
    with pytest.raises(ValueError, match='order of CIFAR-10'):
        images.read(FOG, 0, 'test/airplane/0.png')
    with pytest.raises(ValueError, match='9000 of 10000 labels differ'):
        images.check([FOG], labels=np.sort(labels))
    with pytest.raises(ValueError, match='has 9 images and'):
        images.check([FOG], labels=labels[:9])
    images.check([FOG, SNOW], labels=labels)
    assert images.read(FOG, 7, 'test/airplane/7.png')[0, 0, 0] == 2


def test_missing_and_wrong_arrays_are_named(arrays, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'1 of 2 cells are missing in .*\(frost 1\)'):
        open_stored(arrays, CIFAR).check([FOG, Cell('frost', 1)])
    np.save(tmp_path / 'fog.npy', np.zeros((10, 32, 32, 3), np.uint8))
    with pytest.raises(
        ValueError,
        match=r'fog.npy holds uint8 of shape \(10, 32, 32, 3\) and CIFAR-10-C uint8 of shape '
        r'\(50000',
    ):
        open_stored(tmp_path, CIFAR).check([FOG])
    np.save(
        tmp_path / 'snow.npy', np.array([dict(a=1)], dtype=object), allow_pickle=True
    )  # could run code
    with pytest.raises(ValueError, match='snow.npy is cut short or no array'):
        open_stored(tmp_path, CIFAR).check([SNOW])
    (tmp_path / 'frost.npy').write_bytes((tmp_path / 'fog.npy').read_bytes()[:1000])
    with pytest.raises(ValueError, match='frost.npy'):
        open_stored(tmp_path, CIFAR).check([Cell('frost', 1)])


def test_labels_that_are_not_there_are_missed(tmp_path):
    np.lib.format.open_memmap(tmp_path / 'fog.npy', 'w+', np.uint8, (50000, 32, 32, 3)).flush()
    with pytest.raises(FileNotFoundError, match='labels.npy is missing'):
        open_stored(tmp_path, CIFAR).check([FOG], labels=np.zeros(10000))
