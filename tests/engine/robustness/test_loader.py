"""One stream of corrupted batches for all passes and models, each in its own batches."""

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from torch.utils.data import DataLoader

from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.engine.robustness.loader import Stream, corrupted
from mmrobustprune.engine.robustness.pipeline import Computed
from tests.engine.robustness.toys import Listed, rgb

FOG = Cell('fog', 3)
DROPS = Cell('spatter', 2)
VOC = get_suite('voc-c')


@pytest.fixture
def png(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), rgb()[..., ::-1])
    return dict(img_path=str(tmp_path / 'a.png'), sample_idx=0)


@pytest.mark.parametrize('workers', [0, 2])
def test_a_loader_gives_the_same_batches_in_every_pass(workers):
    images = Listed([dict(img=rgb(seed=i), sample_idx=i) for i in range(5)], [])
    before = images.pipeline
    loader = DataLoader(images, batch_size=2, collate_fn=list)
    state = np.random.get_state()[1].copy()
    with corrupted([Stream(loader)], [[CLEAN, FOG], [DROPS]], Computed(3, VOC), workers) as cells:
        got = list(cells)
    assert images.pipeline is before
    assert np.array_equal(np.random.get_state()[1], state)
    assert [[len(batch) for batch in item[0]] for item in got] == [
        [2, 2],
        [2, 2],
        [1, 1],
        [2],
        [2],
        [1],
    ]
    for place, part, name, severity in ((1, got[:3], 'fog', 3), (0, got[3:], 'spatter', 2)):
        seen = [sample['img'] for item in part for sample in item[0][place]]
        for index, image in enumerate(seen):
            assert np.array_equal(image, apply(rgb(seed=index), name, severity, 3))


@pytest.mark.slow(seconds=40)
def test_workers_of_a_gpu_are_started_anew():
    """A forked process cannot use a GPU, so what they need must travel to a new one."""
    source = Computed(3, get_suite('imagenet-c-tensor'))
    source.on_gpu = True  # it computes on the CPU, and workers are as on a GPU
    images = Listed([dict(img=rgb(seed=i), sample_idx=i) for i in range(3)], [])
    stream = Stream(DataLoader(images, batch_size=2, collate_fn=list))
    with corrupted([stream], [[FOG], [DROPS]], source, 1) as cells:
        assert cells.multiprocessing_context.get_start_method() == 'spawn'
        got = list(cells)
    seen = [sample['img'] for item in got for sample in item[0][0]]
    for place, image in enumerate(seen):
        cell = FOG if place < 3 else DROPS
        expected = apply(rgb(seed=place % 3), cell.corruption, cell.severity, 3)
        assert np.abs(np.int16(image) - expected).max() <= 1


def test_unreadable_images_take_the_place_of_their_batch(png):
    images = Listed([png, dict(img_path='/no/x.jpg'), png], [LoadImageFromFile()])
    with corrupted(
        [Stream(DataLoader(images, batch_size=2, collate_fn=list))], [[FOG]], Computed(0, VOC), 0
    ) as cells:
        first, second = cells
    assert [one.name for one in first] == ['/no/x.jpg'] and len(second[0][0]) == 1


def test_the_pipeline_comes_back_after_an_error():
    images = Listed([dict(img=rgb())], [])
    before = images.pipeline
    with (
        pytest.raises(RuntimeError),
        corrupted([Stream(DataLoader(images))], [[FOG]], Computed(0, VOC), 0),
    ):
        raise RuntimeError
    assert images.pipeline is before


def numbers(size, order=range(7)):
    """A loader over the numbers 0 to 6, in batches that say what is in them."""
    return DataLoader(list(range(7)), size, sampler=list(order), collate_fn=tuple)


@pytest.mark.parametrize(
    'size, order', [(3, range(7)), (1, range(7)), (7, range(7)), (2, [6, 0, 1, 5, 2, 4, 3])]
)
def test_a_loader_of_other_batches_gets_its_own(size, order):
    """Two cells: the number, and a hundred more."""
    first = numbers(2)
    stream = Stream(numbers(size, order), Stream(first).batches)
    assert not stream.is_alike and stream.collate is list
    for _ in range(2):  # passes
        stream.begin()
        got = []
        for at, batch in enumerate(first):
            got += stream.take(at, [stream.collate(batch), [one + 100 for one in batch]])
        expected = list(numbers(size, order))
        assert [index for index, _ in got] == list(range(len(expected)))
        assert [cells[0] for _, cells in got] == expected
        assert [cells[1] for _, cells in got] == [tuple(n + 100 for n in b) for b in expected]


def test_a_batch_is_run_as_soon_as_it_is_there():
    stream = Stream(numbers(3), Stream(numbers(2)).batches)
    stream.begin()
    there = [[index for index, _ in stream.take(at, [[2 * at, 2 * at + 1]])] for at in range(3)]
    assert there == [[], [0], [1]]


def test_equal_batches_are_collated_by_the_workers():
    stream = Stream(numbers(2), Stream(numbers(2)).batches)
    assert stream.is_alike and stream.collate is tuple
    assert list(stream.take(1, ['a', 'b'])) == [(1, ['a', 'b'])]


def test_an_image_that_a_sampler_repeats_stands_in_both_of_its_places():
    """As in a distributed test, whose processes get equally many images."""
    order = [0, 2, 4, 0]
    stream = Stream(numbers(4, order), Stream(numbers(2, order)).batches)
    stream.begin()
    assert list(stream.take(0, [[0, 2]])) == []
    assert list(stream.take(1, [[4, 0]])) == [(0, [(0, 2, 4, 0)])]


def test_samplers_that_choose_other_images_are_refused():
    with pytest.raises(ValueError, match='samplers of the test loaders .* different images'):
        Stream(numbers(2, [0, 1]), Stream(numbers(2)).batches)


def test_two_streams_of_one_data_set_share_the_workers():
    """One pass over 5 images in batches of 2 and of 3, clean."""
    images = Listed([dict(img=rgb(seed=at), sample_idx=at) for at in range(5)], [])
    loaders = [DataLoader(images, size, collate_fn=_stacked) for size in (2, 3)]
    first = Stream(loaders[0])
    streams = [first, Stream(loaders[1], first.batches)]
    got = []
    with corrupted(streams, [[CLEAN]], Computed(0, VOC), 0) as arrived:
        for stream in streams:
            stream.begin()
        for number, (_, other) in enumerate(arrived):
            got += [batch for _, (batch,) in streams[1].take(number, other)]
    assert [len(batch) for batch in got] == [3, 2]
    assert np.array_equal(torch.cat(got).numpy(), np.stack([rgb(seed=at) for at in range(5)]))


def _stacked(samples):
    return torch.stack([torch.from_numpy(sample['img']) for sample in samples])


def test_a_connection_that_is_no_workers_ends_as_itself(png):
    loader = DataLoader(Listed([png], []), collate_fn=list)
    with pytest.raises(ConnectionResetError, match='of a file server'):
        with corrupted([Stream(loader)], [[CLEAN]], Computed(3, VOC), 0):
            raise ConnectionResetError('of a file server')
