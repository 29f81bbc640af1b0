"""What is loaded depends on (seed, epoch, index), and the loader can start at any batch."""

import pickle
import random
from itertools import chain, islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import (
    BaseDataset,
    ConcatDataset,
    DefaultSampler,
    InfiniteSampler,
    RepeatDataset,
    pseudo_collate,
)
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from mmrobustprune.engine.resuming import sampling
from mmrobustprune.engine.resuming.sampling import Draw, Proxy, make_loader_resumable
from mmrobustprune.rng import generator_state


class Noise:
    """A transform that draws from the three generators."""

    def __call__(self, results):
        results['noise'] = (random.random(), np.random.rand(), torch.rand(()).item())
        return results


class Images(BaseDataset):
    METAINFO = dict(classes=('thing',))

    def __init__(self, length=7, pipeline=(), **kwargs):
        self.length = length
        super().__init__(ann_file='', pipeline=[Noise(), *pipeline], **kwargs)

    def load_data_list(self):
        return [
            dict(
                img=np.full((8, 8, 3), 20 * i, np.uint8),
                img_shape=(8, 8),
                number=i,
                gt_bboxes=np.array([[1.0, 1, 6, 7]], np.float32),
                gt_bboxes_labels=np.array([0]),
                gt_ignore_flags=np.array([False]),
            )
            for i in range(self.length)
        ]


class Listed:
    """A sampler with a fixed list."""

    def __init__(self, indices):
        self.indices = indices

    def __iter__(self):
        return iter(self.indices)

    def __len__(self):
        return len(self.indices)


def loader_of(dataset, workers=0, sampler=None, batch=2, seed=11, **kwargs):
    sampler = sampler or DefaultSampler(dataset, shuffle=True, seed=1)
    loader = DataLoader(
        dataset,
        batch_size=batch,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=pseudo_collate,
        **kwargs,
    )
    make_loader_resumable(loader, seed)
    return loader


def noise(loader, epoch=0):
    loader.batch_sampler.sampler.set_epoch(epoch)
    return noise_of(loader)


def noise_of(batches):
    """The numbers of every sample, in order."""
    return list(chain.from_iterable(zip(*batch['noise'], strict=True) for batch in batches))


def wrapped(kind):
    if kind == 'plain':
        return Images()
    if kind == 'repeat':
        return RepeatDataset(Images(), 2)
    if kind == 'concat':
        return ConcatDataset([Images(), Images(3)])
    from mmdet.datasets import MultiImageMixDataset
    from mmdet.registry import TRANSFORMS
    from mmdet.utils import register_all_modules

    register_all_modules()
    TRANSFORMS.register_module(module=Noise, force=True)
    to_boxes = dict(type='LoadAnnotations', with_bbox=False)
    inner = Images(pipeline=[lambda r: dict(r, gt_bboxes=boxes(r['gt_bboxes'])) if to_boxes else r])
    return MultiImageMixDataset(
        inner,
        [
            dict(type='Mosaic', img_scale=(8, 8)),
            dict(type='RandomAffine', border=(-4, -4)),
            dict(type='Noise'),
        ],
    )


def boxes(array):
    from mmdet.structures.bbox import HorizontalBoxes

    return HorizontalBoxes(array)


@pytest.mark.parametrize('kind', ['plain', 'repeat', 'concat', 'mosaic'])
def test_workers_and_order_make_no_difference(kind):
    if kind == 'mosaic':
        pytest.importorskip('mmdet')
    alone = loader_of(wrapped(kind))
    apart = loader_of(wrapped(kind), workers=2)
    first = [noise(alone), noise(alone, 1)]
    assert first == [noise(apart), noise(apart, 1)]
    assert first[0] != first[1]
    assert noise(alone, 0) == first[0]
    assert noise(loader_of(wrapped(kind), seed=12)) != first[0]


def test_mosaics_themselves_are_the_same():
    pytest.importorskip('mmdet')

    def images(workers):
        loader = loader_of(wrapped('mosaic'), workers=workers)
        return chain.from_iterable(batch['img'] for batch in loader)

    assert all(map(np.array_equal, images(0), images(2)))


def test_loading_moves_no_generator():
    loader = loader_of(Images())
    before = generator_state()
    noise(loader)
    after = generator_state()
    assert torch.equal(before['torch'], after['torch'])
    assert torch.equal(before['python']['words'], after['python']['words'])
    assert torch.equal(before['numpy']['key'], after['numpy']['key'])


def test_a_sample_shown_twice_is_augmented_anew():
    values = noise(loader_of(Images(), sampler=Listed([3, 3, 4, 3])))
    assert len(set(values)) == 4


def test_an_endless_sampler_counts_its_passes():
    def endless():
        return loader_of(Images(), sampler=InfiniteSampler(Images(), seed=1))

    draws = list(chain.from_iterable(islice(endless().batch_sampler, 7)))
    assert [draw.draw for draw in draws] == [(0, 0, 0)] * 7 + [(0, 1, 0)] * 7
    values = noise_of(islice(endless(), 7))
    assert len(set(values)) == 14


def test_repeated_augmentation_spreads_its_copies(monkeypatch):
    sampler = Listed([0, 1, 2])
    sampler.num_repeats = 3
    seen = []
    for rank in range(3):
        monkeypatch.setattr(sampling, 'get_dist_info', lambda rank=rank: (rank, 3))
        loader = loader_of(Images(9), sampler=sampler)
        seen.append([index.draw for index in loader.batch_sampler.sampler])
    assert len(set(zip(*seen, strict=True))) == 1
    assert len({draws[0] for draws in seen}) == 3


@pytest.mark.parametrize('workers', [0, 2])
def test_advance(workers):
    whole = noise(loader_of(Images(), workers))
    loader = loader_of(Images(), workers)
    assert loader.batch_sampler.advance(3) == 0
    assert noise(loader) == whole[6:]
    assert noise(loader) == whole
    assert loader.batch_sampler.advance(9) == 5
    assert noise(loader) == []


def test_hooks_reach_the_data_set():
    mmdet = pytest.importorskip('mmdet.engine.hooks')
    loader = loader_of(wrapped('mosaic'), workers=1)
    model = SimpleNamespace(bbox_head=SimpleNamespace(use_l1=False))
    runner = SimpleNamespace(
        epoch=5,
        max_epochs=6,
        train_dataloader=loader,
        model=model,
        logger=SimpleNamespace(info=print),
    )
    before = noise(loader)
    mmdet.YOLOXModeSwitchHook(num_last_epochs=3, skip_type_keys=['Mosaic']).before_train_epoch(
        runner
    )
    assert loader.dataset.inner._skip_type_keys == ['Mosaic']
    assert noise(loader) != before
    mmdet.PipelineSwitchHook(1, []).before_train_epoch(runner)
    assert loader.dataset.inner.pipeline.transforms == []


def test_a_proxy_is_what_it_stands_for():
    dataset = Images()
    proxy = Proxy(dataset, mine=1)
    assert isinstance(proxy, Images) and isinstance(proxy, Proxy)
    assert len(proxy) == 7 and proxy.metainfo == dataset.metainfo
    proxy.mine, proxy.other = 2, 3
    assert not hasattr(dataset, 'mine') and dataset.other == 3
    assert not hasattr(Proxy(torch.utils.data.Subset([1, 2], [0])), '__getitems__')
    again = pickle.loads(pickle.dumps(proxy))
    assert type(again) is Proxy and again.mine == 2 and again.metainfo == dataset.metainfo


def test_a_draw_is_an_index():
    draw = pickle.loads(pickle.dumps(Draw(4, (1, 0, 2))))
    assert draw == 4 and [0, 1, 2, 3, 9][draw] == 9 and draw.draw == (1, 0, 2)


def test_the_data_set_sees_plain_indices():
    loader = loader_of(Images())
    batch = next(iter(loader))
    assert all(type(index) is int for index in batch['sample_idx'])


def test_loaders_without_batches_of_indices_are_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(range(3))

    with pytest.raises(ValueError, match='map-style data set with a batch_size'):
        make_loader_resumable(DataLoader(Images(), batch_size=None), 0)
    loader = DataLoader(Stream(), batch_size=2)
    with pytest.raises(ValueError, match='map-style data set'):
        make_loader_resumable(loader, 0)


def test_a_batch_sampler_of_its_own_is_kept():
    dataset = Images()
    batches = BatchSampler(DefaultSampler(dataset, seed=0), 3, drop_last=True)
    loader = DataLoader(dataset, batch_sampler=batches, collate_fn=pseudo_collate)
    make_loader_resumable(loader, 0)
    assert isinstance(loader.batch_sampler, BatchSampler)
    assert [len(batch['noise'][0]) for batch in loader] == [3, 3]
    assert len(loader) == 2


def test_caches_of_earlier_images_are_named():
    mmdet = pytest.importorskip('mmdet.datasets.transforms')
    dataset = Images(pipeline=[mmdet.CachedMosaic(img_scale=(8, 8))])
    with pytest.warns(UserWarning, match='CachedMosaic mixes in images that were loaded earlier'):
        loader_of(RepeatDataset(dataset, 2))
