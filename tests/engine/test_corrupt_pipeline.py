"""Where, in which colour order and how often an image is corrupted."""
import copy

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile, Resize
from mmengine.dataset import Compose
from torch.utils.data import DataLoader

from mmrobustprune.corruption import CLEAN, Cell
from mmrobustprune.corruption.apply import apply
from mmrobustprune.engine.corrupt_pipeline import CellPipeline, corrupted, leaves

FOG, DROPS = Cell('fog', 3), Cell('spatter', 2)


def rgb(height=40, width=50, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Pictures:
    """The least that a data set of mmengine is."""

    def __init__(self, data, transforms):
        self.data, self.pipeline = data, Compose(transforms)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.pipeline(copy.deepcopy(self.data[index]))


class Wrap:
    def __init__(self, dataset):
        self.dataset = dataset


class Concat:
    def __init__(self, *datasets):
        self.datasets = datasets


class Mix(Wrap):
    pipeline = ()


@pytest.fixture
def png(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), rgb()[..., ::-1])
    return dict(img_path=str(tmp_path / 'a.png'), sample_idx=0)


@pytest.mark.parametrize('float32', [False, True])
def test_files_are_bgr_and_the_corruption_sees_rgb(png, float32):
    clean, fog, drops = CellPipeline(
        [LoadImageFromFile(to_float32=float32)], [CLEAN, FOG, DROPS], 5)(png)
    assert clean['img'].dtype == (np.float32 if float32 else np.uint8)
    assert np.array_equal(clean['img'][..., ::-1], rgb())
    assert np.array_equal(fog['img'][..., ::-1], apply(rgb(), 'fog', 3, 5))
    assert np.array_equal(drops['img'][..., ::-1], apply(rgb(), 'spatter', 2, 5))
    assert drops['img'].flags.c_contiguous


def test_arrays_of_the_data_set_are_rgb():
    out, = CellPipeline([], [DROPS], 5)(dict(img=rgb(), sample_idx=0))
    assert np.array_equal(out['img'], apply(rgb(), 'spatter', 2, 5))


def test_grey_files_stay_grey(png):
    out, = CellPipeline([LoadImageFromFile(color_type='grayscale')], [FOG], 0)(png)
    grey = cv2.imread(png['img_path'], cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(out['img'].squeeze(), apply(grey, 'fog', 3))


def test_corruption_comes_before_any_resize(png):
    out, = CellPipeline([LoadImageFromFile(), Resize((100, 80))], [FOG], 0)(png)
    assert np.array_equal(out['img'], cv2.resize(
        np.ascontiguousarray(apply(rgb(), 'fog', 3)[..., ::-1]), (100, 80)))


def test_an_image_is_decoded_once_for_all_its_cells_and_cells_do_not_touch_each_other(png):
    loads = []

    class Load(LoadImageFromFile):
        def transform(self, results):
            loads.append(results['img_path'])
            return super().transform(results)

    def spoil(results):
        results['img'][:] = 0
        results['box'].append(1)
        return results
    out = CellPipeline([Load(), spoil], [CLEAN, CLEAN, FOG], 0)(dict(png, box=[]))
    assert len(loads) == 1
    assert [sample['box'] for sample in out] == [[1]] * 3


def test_the_seed_comes_from_the_image_not_from_its_place(png):
    cells = [Cell('gaussian_noise', 1)]
    alone, = CellPipeline([LoadImageFromFile()], cells, 0)(png)
    again, = CellPipeline([LoadImageFromFile()], cells, 0)(dict(png, sample_idx=9, img_id='x'))
    assert np.array_equal(alone['img'], again['img'])


@pytest.mark.parametrize('data, transforms, sentence', [
    (dict(img_path='/no/x.jpg'), [LoadImageFromFile()], '/no/x.jpg cannot be read .*No such file'),
    (dict(img_path='/no/x.jpg'), [LoadImageFromFile(ignore_empty=True)], 'x.jpg is dropped by'),
    (dict(sample_idx=4), [], "gives image 4 no 'img' array"),
    (dict(img=rgb(), sample_idx=4), [lambda results: None], 'image 4: function .* drops it'),
    (dict(img=rgb()[..., :2], sample_idx=4), [], 'image 4: fog got an image of shape'),
    (dict(img=rgb() / 255., sample_idx=4), [], 'image 4: fog needs the values 0 to 255'),
])
def test_what_cannot_be_corrupted_is_one_sentence_with_the_image(data, transforms, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        CellPipeline(transforms, [FOG], 0)(data)
    assert '\n' not in str(error.value)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / 'b.jpg').write_bytes(b'no picture')
    with pytest.raises(ValueError, match='b.jpg cannot be read'):
        CellPipeline([LoadImageFromFile()], [FOG], 0)(dict(img_path=str(tmp_path / 'b.jpg')))


def test_pipelines_inside_any_wrapping_are_found_once():
    one, two = Pictures([], []), Pictures([], [])
    assert leaves(Concat(Wrap(one), Wrap(Wrap(two)), one)) == [one, two]


@pytest.mark.parametrize('dataset, sentence', [
    (Mix(Pictures([], [])), 'Mix mixes images'), (object(), 'object has no pipeline')])
def test_what_has_no_pipeline_to_corrupt_in_is_refused(dataset, sentence):
    with pytest.raises(ValueError, match=sentence):
        leaves(dataset)


@pytest.mark.parametrize('workers', [0, 2])
def test_a_loader_gives_the_same_batches_once_per_cell(workers):
    pictures = Pictures([dict(img=rgb(seed=i), sample_idx=i) for i in range(5)], [])
    before = pictures.pipeline
    loader = DataLoader(pictures, batch_size=2, num_workers=workers, collate_fn=list)
    state = np.random.get_state()[1].copy()
    with corrupted(loader, [CLEAN, FOG], 3) as cells:
        got = list(cells)
    assert pictures.pipeline is before
    assert np.array_equal(np.random.get_state()[1], state)
    assert [[len(batch) for batch in item] for item in got] == [[2, 2], [2, 2], [1, 1]]
    fog = [sample['img'] for item in got for sample in item[1]]
    for index, image in enumerate(fog):
        assert np.array_equal(image, apply(rgb(seed=index), 'fog', 3, 3))


def test_the_pipeline_comes_back_after_an_error():
    pictures = Pictures([dict(img=rgb())], [])
    before = pictures.pipeline
    with pytest.raises(RuntimeError), corrupted(DataLoader(pictures), [FOG], 0):
        raise RuntimeError
    assert pictures.pipeline is before
