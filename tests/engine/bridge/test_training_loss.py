"""Losses that are the same whenever they are asked."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import nn
from torch.utils.data import DataLoader

from mmrobustprune.engine.bridge.training_loss import (
    FixedBatch,
    attack_state_kept,
    sampled_loss,
    steady,
    training_batches,
    training_losses,
)
from tests.support.passes import generators


class Noisy(BaseModel):
    """A batch normalisation, dropout, and a state that goes on from batch to batch."""

    def __init__(self):
        super().__init__(data_preprocessor=BaseDataPreprocessor())
        self.norm = nn.BatchNorm1d(2)
        self.drop = nn.Dropout(0.5)
        self.seen = 0

    def resume_state(self):
        return dict(seen=self.seen)

    def load_resume_state(self, state):
        self.seen = state['seen']

    def forward(self, inputs, mode):
        return dict(loss=self.drop(self.norm(inputs)).square().mean())


class Numbers:
    """Sample i is (i, noise)."""

    def __len__(self):
        return 10

    def __getitem__(self, place):
        return dict(inputs=torch.stack([torch.tensor(float(place)), torch.rand(())]))


def collate(samples):
    return dict(inputs=torch.stack([one['inputs'] for one in samples]))


def loader(**options):
    return DataLoader(Numbers(), batch_size=4, collate_fn=collate, **options)


def test_the_loss_of_the_first_samples_as_in_training_without_dropout():
    model = Noisy()
    model.eval()
    before = copy.deepcopy(model.state_dict())
    batch = FixedBatch(SimpleNamespace(train_dataloader=loader()))
    assert batch.batch['inputs'][:, 0].tolist() == [0, 1, 2, 3]
    drawn = generators()
    values = batch.batch['inputs']
    normal = (values - values.mean(0)) / (values.var(0, correction=0) + 1e-5).sqrt()
    assert batch.loss(model) == pytest.approx(float(normal.square().mean()), rel=1e-5)
    assert batch.loss(model) == batch.loss(model)
    assert generators() == drawn and not model.training and model.drop.training is False
    assert all(map(torch.equal, before.values(), model.state_dict().values()))


def test_a_batch_is_no_longer_than_the_data():
    long = DataLoader(Numbers(), batch_size=64, collate_fn=collate)
    assert len(FixedBatch(SimpleNamespace(train_dataloader=long)).batch['inputs']) == 10


def test_batches_are_the_same_at_every_call_and_random():
    drawn = generators()
    first = training_batches(loader(), 2, seed=3)
    second = training_batches(loader(shuffle=True), 2, seed=3)
    assert generators() == drawn
    assert all(torch.equal(a['inputs'], b['inputs']) for a, b in zip(first, second, strict=True))
    places = torch.cat([one['inputs'][:, 0] for one in first]).tolist()
    assert len(set(places)) == 8 and places != sorted(places)
    assert len(training_batches(loader(), 9)) == 3  # all there is


def test_losses_follow_the_weights():
    model = Noisy()
    with steady(model, 'train'):
        (loss,) = training_losses(model, [collate([Numbers()[0], Numbers()[5]])])
        first = loss()
        with torch.no_grad():
            model.norm.weight.mul_(2)
        assert float(loss().detach()) == pytest.approx(4 * float(first.detach()), rel=1e-6)


def test_the_loss_of_random_samples_is_the_same_at_every_call():
    model = Noisy()
    drawn = generators()
    loss = sampled_loss(loader(), 2)
    batches = training_batches(loader(), 2)
    with steady(model, 'train'):
        expected = [float(one()) for one in training_losses(model, batches)]
    assert loss(model) == loss(model) == pytest.approx(sum(expected) / 2)
    assert generators() == drawn and model.norm.num_batches_tracked == 0


def test_the_loss_with_running_statistics():
    model = Noisy()
    values = torch.cat([batch['inputs'] for batch in training_batches(loader(), 2)])
    expected = values.square().mean() / (1 + 1e-5)  # untrained: mean 0 and variance 1
    assert sampled_loss(loader(), 2, batch_norm='eval')(model) == pytest.approx(float(expected))
    with pytest.raises(ValueError, match="batch_norm='both' is unknown"):
        sampled_loss(loader(), batch_norm='both')


def test_modes_and_generators_are_put_back_after_an_error():
    model = Noisy()
    model.drop.eval()
    drawn = generators()
    with pytest.raises(RuntimeError), steady(model):
        torch.rand(3)
        assert not model.training
        raise RuntimeError
    assert model.training and not model.drop.training and generators() == drawn


def test_statistics_that_are_unknown_are_refused():
    with pytest.raises(ValueError, match="batch_norm='both' is unknown; choose 'eval' or 'train'"):
        with steady(Noisy(), 'both'):
            pass


def test_an_attack_goes_on_where_it_stood():
    model = Noisy()
    with attack_state_kept(model):
        model.seen = 7
    assert model.seen == 0


def test_batches_that_are_lists_work(tmp_path):
    model = Noisy()
    (loss,) = training_losses(model, [pseudo_collate([torch.ones(2), torch.zeros(2)])])
    with pytest.raises(TypeError):
        loss()  # the norm needs one tensor; the list was passed on as arguments
