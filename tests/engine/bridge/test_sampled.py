"""Training batches of a seed, whatever was drawn before and however they are loaded."""

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmrobustprune.engine.bridge import sampled
from mmrobustprune.engine.bridge.sampled import SampleSeeds, batch_size, sampled_batches
from mmrobustprune.rng import RandomState
from tests.support.tiny import classifier


def loader_of(tmp_path, workers=0):
    config = classifier(tmp_path, workers=workers)
    init_default_scope(config.default_scope)
    return Runner.build_dataloader(config.train_dataloader, seed=0)


def images(batches):
    return [batch['inputs'] for batch in batches]


def places(batches):
    found = []
    for batch in batches:
        found += [sample.sample_idx for sample in batch['data_samples']]
    return found


def test_the_same_at_every_call_and_with_workers_and_nothing_is_drawn(tmp_path):
    loader = loader_of(tmp_path)
    before = RandomState.now()
    first = images(sampled_batches(loader, 20))
    assert torch.equal(RandomState.now().torch, before.torch)
    torch.rand(3)
    for again in (loader, loader_of(tmp_path, 2)):
        assert all(map(torch.equal, first, images(sampled_batches(again, 20))))
    assert not torch.equal(first[0], images(sampled_batches(loader, 20, seed=1))[0])


def test_every_image_at_most_once_in_batches_of_about_equal_size(tmp_path):
    loader = loader_of(tmp_path)
    assert batch_size(loader) == 8
    found = list(sampled_batches(loader, 17))
    assert [len(batch['inputs']) for batch in found] == [6, 6, 5]
    assert len(set(places(found))) == 17
    assert sorted(places(sampled_batches(loader, 1000))) == list(range(48))


def test_processes_share_the_images(tmp_path, monkeypatch):
    loader = loader_of(tmp_path)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(sampled, 'get_dist_info', lambda rank=rank: (rank, 2))
        shares.append(places(sampled_batches(loader, 19)))
    assert [len(share) for share in shares] == [10, 10]
    both = shares[0] + shares[1]
    assert len(set(both)) == 19


@pytest.mark.parametrize('place', [0, 5])
def test_a_sample_is_that_of_its_place(tmp_path, place):
    data = SampleSeeds(loader_of(tmp_path).dataset, 0)
    first = data[place]['inputs']
    torch.rand(7)
    assert torch.equal(data[place]['inputs'], first) and len(data) == 48
