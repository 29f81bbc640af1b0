"""Where, in which colour order and how often an image is corrupted."""

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import CenterCrop as Crop
from mmcv.transforms import LoadImageFromFile, Resize

from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.engine.robustness.pipeline import (
    CellPipeline,
    Computed,
    Memory,
    Shared,
    Unreadable,
    leaves,
)
from tests.engine.robustness.toys import Listed, rgb

FOG = Cell('fog', 3)
DROPS = Cell('spatter', 2)
VOC = get_suite('voc-c')


def pipeline(transforms, cells, seed=0):
    out = CellPipeline(transforms, Computed(seed, VOC))
    out.cells = cells
    return out


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
    clean, fog, drops = pipeline([LoadImageFromFile(to_float32=float32)], [CLEAN, FOG, DROPS], 5)(
        png
    )
    assert clean['img'].dtype == (np.float32 if float32 else np.uint8)
    assert np.array_equal(clean['img'][..., ::-1], rgb())
    assert np.array_equal(fog['img'][..., ::-1], apply(rgb(), 'fog', 3, 5))
    assert np.array_equal(drops['img'][..., ::-1], apply(rgb(), 'spatter', 2, 5))
    assert drops['img'].flags.c_contiguous


def test_arrays_of_the_data_set_are_rgb():
    (out,) = pipeline([], [DROPS], 5)(dict(img=rgb(), sample_idx=0))
    assert np.array_equal(out['img'], apply(rgb(), 'spatter', 2, 5))


def test_grey_files_stay_grey(png):
    (out,) = pipeline([LoadImageFromFile(color_type='grayscale')], [FOG], 0)(png)
    grey = cv2.imread(png['img_path'], cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(out['img'].squeeze(), apply(grey, 'fog', 3))


def test_corruption_comes_before_any_resize(png):
    (out,) = pipeline([LoadImageFromFile(), Resize((100, 80))], [FOG], 0)(png)
    assert np.array_equal(
        out['img'], cv2.resize(np.ascontiguousarray(apply(rgb(), 'fog', 3)[..., ::-1]), (100, 80))
    )


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

    out = pipeline([Load(), spoil], [CLEAN, CLEAN, FOG], 0)(dict(png, box=[]))
    assert len(loads) == 1
    assert [sample['box'] for sample in out] == [[1]] * 3


def test_the_seed_comes_from_the_image_not_from_its_place(png):
    cells = [Cell('gaussian_noise', 1)]
    (alone,) = pipeline([LoadImageFromFile()], cells, 0)(png)
    (again,) = pipeline([LoadImageFromFile()], cells, 0)(dict(png, sample_idx=9, img_id='x'))
    assert np.array_equal(alone['img'], again['img'])


@pytest.mark.parametrize(
    'data, transforms, sentence',
    [
        (dict(img_path='/no/x.jpg'), [LoadImageFromFile(ignore_empty=True)], 'x.jpg is dropped by'),
        (dict(sample_idx=4), [], "gives image 4 no 'img' array"),
        (dict(img=rgb(), sample_idx=4), [lambda results: None], 'image 4: function .* drops it'),
        (dict(img=rgb()[..., :2], sample_idx=4), [], 'image 4: fog got an image of shape'),
        (
            dict(img=rgb() / 255.0, sample_idx=4),
            [],
            'image 4: corruptions need the values 0 to 255',
        ),
    ],
)
def test_what_cannot_be_corrupted_is_one_sentence_with_the_image(data, transforms, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        pipeline(transforms, [FOG])(data)
    assert '\n' not in str(error.value)


def test_a_file_that_is_no_picture_is_named_with_the_reason(tmp_path):
    (tmp_path / 'b.jpg').write_bytes(b'no picture')
    for name in ('b.jpg', 'none.jpg'):
        found = pipeline([LoadImageFromFile()], [FOG])(dict(img_path=str(tmp_path / name)))
        assert isinstance(found, Unreadable) and found.name == str(tmp_path / name) and found.reason


def test_decoded_images_are_remembered_up_to_a_limit(png, tmp_path):
    loads = []

    class Load(LoadImageFromFile):
        def transform(self, results):
            loads.append(results['img_path'])
            return super().transform(results)

    files = [png['img_path']]
    for name in 'bc':
        cv2.imwrite(str(tmp_path / f'{name}.png'), rgb(seed=ord(name)))
        files.append(str(tmp_path / f'{name}.png'))
    memory, load = Memory(limit=2 * rgb().nbytes), Load()
    for _ in range(3):
        for file in files[:2]:
            assert memory.load(load, dict(img_path=file, other=1))['img'].shape == rgb().shape
    assert loads == files[:2]
    memory.load(load, dict(img_path=files[2]))
    assert memory.size <= memory.limit
    memory.load(load, dict(img_path=files[0]))
    assert loads == [*files, files[0]]  # the oldest had to go


def test_a_remembered_image_is_not_spoiled_by_transforms(png):
    def spoil(results):
        results['img'][:] = 0
        return results

    pipe = pipeline([LoadImageFromFile(), spoil], [CLEAN, FOG])
    first = [sample['img'].sum() for sample in pipe(dict(png))]
    pipe.transforms.pop()
    clean, fog = pipe(dict(png))
    assert first == [0, 0] and np.array_equal(clean['img'][..., ::-1], rgb())
    assert np.array_equal(fog['img'][..., ::-1], apply(rgb(), 'fog', 3))


def test_a_shared_image_is_made_once_and_never_mixed_up():
    made = []

    def source(image, cell, index, path):
        made.append(cell)
        return image + cell.severity

    source.cropped, source.seed, source.on_gpu = False, 0, False
    shared, one, two = Shared(source), np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8)
    for image in (one, one.copy(), two, one):
        for cell in (FOG, DROPS):
            assert (shared(image, cell, 0, None) == image + cell.severity).all()
    assert made == [FOG, DROPS] * 3


class ResizeEdge:
    def __call__(self, results):
        raise AssertionError('the image has its size')


class CenterCrop:
    crop_size = (224, 224)

    def __call__(self, results):
        results['img'] = results['img'][4:-4, 4:-4]
        return results


def test_images_that_are_stored_cropped_skip_the_resize():
    class Small:
        cropped, seed = True, None

        def __call__(self, image, cell, index, path):
            return np.full((16, 16, 3), index, np.uint8)

    pipe = CellPipeline([ResizeEdge(), CenterCrop()], Small())
    pipe.cells = [FOG]
    (out,) = pipe(dict(img=rgb(), sample_idx=7))
    assert out['img'].shape == (8, 8, 3) and (out['img'] == 7).all()
    pipe.transforms[-1].crop_size = (256, 256)
    with pytest.raises(
        ValueError, match='have 224x224 pixels and the test pipeline crops to 256x256'
    ):
        pipe(dict(img=rgb(), sample_idx=7))
    pipe.transforms.pop()
    with pytest.raises(ValueError, match='has no CenterCrop'):
        pipe(dict(img=rgb(), sample_idx=7))


def test_pipelines_inside_any_wrapping_are_found_once():
    one, two = Listed([], []), Listed([], [])
    assert leaves(Concat(Wrap(one), Wrap(Wrap(two)), one)) == [one, two]


@pytest.mark.parametrize(
    'dataset, sentence',
    [(Mix(Listed([], [])), 'Mix mixes images'), (object(), 'object has no pipeline')],
)
def test_what_has_no_pipeline_to_corrupt_in_is_refused(dataset, sentence):
    with pytest.raises(ValueError, match=sentence):
        leaves(dataset)


def test_computed_imagenet_c_is_corrupted_at_224_pixels_and_not_resized_again(tmp_path):
    image = cv2.GaussianBlur(rgb(300, 340), (0, 0), 2)
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, image[..., ::-1])
    steps = [LoadImageFromFile(), Resize(scale=(290, 256)), Crop(crop_size=(224, 224))]
    suite = get_suite('imagenet-c')
    pipe = CellPipeline(steps, Computed(4, suite))
    pipe.cells = [CLEAN, FOG]
    clean, fog = pipe(dict(img_path=path, sample_idx=0))
    expected = apply(image, 'fog', 3, 4, 'imagenet-c')
    assert np.array_equal(fog['img'][..., ::-1], expected) and clean['img'].shape == (224, 224, 3)
    pipe = CellPipeline(steps[:2], Computed(4, suite))
    pipe.cells = [FOG]
    with pytest.raises(ValueError, match="no CenterCrop; .* suite 'imagenet-c-uncropped'"):
        pipe(dict(img_path=path, sample_idx=0))


def test_a_suite_of_tensors_is_computed_where_the_model_is():
    suite = get_suite('imagenet-c-tensor')
    source = Computed(4, suite, torch.device('cpu'))
    out = source(rgb(40, 50), FOG, 0, None)
    assert np.abs(np.int16(out) - apply(rgb(40, 50), 'fog', 3, 4)).max() <= 1
    assert not source.on_gpu and not Computed(4, get_suite('voc-c'), torch.device('cuda')).on_gpu
    on_gpu = Shared(Computed(4, suite, torch.device('cuda', 1)))
    assert on_gpu.on_gpu and {one.device for one in on_gpu.source.family.functions.values()} == {
        'cuda:1'
    }
