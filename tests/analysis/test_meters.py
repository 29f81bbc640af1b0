"""Meters at a chosen cost, and losses that repeat themselves."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from mmrobustprune.analysis import lambda_max, loss_difference
from mmrobustprune.analysis.meters import build_meters
from mmrobustprune.engine.bridge.training_loss import steady, training_batches


def test_meters_are_what_was_asked_for():
    assert build_meters(lambda_max=None, loss_difference=None) == []
    curvature, rise = build_meters(
        lambda_max=dict(iterations=4), loss_difference=dict(rho=[0.2, 0.1], steps=3, batches=2)
    )
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    slope = torch.tensor([3.0, 2.0, 1.0])

    def loss():
        return (slope * x * x).sum() / 2

    found = curvature(loss, [x])
    exact = lambda_max(loss, [x], 4)
    assert found == dict(lambda_max=exact.value, residual=exact.residual, loss=exact.loss)
    assert curvature.mean([found, dict(lambda_max=1.0, residual=2.0, loss=3.0, images=7)]) == dict(
        lambda_max=(exact.value + 1) / 2,
        residual=(exact.residual + 2) / 2,
        loss=(exact.loss + 3) / 2,
    )
    rows = rise(loss, [x])['loss_difference']
    exact = loss_difference(loss, [x], rho=[0.1, 0.2], steps=3)
    assert [(row['rho'], row['value']) for row in rows] == [(one.rho, one.value) for one in exact]
    assert rise.mean([dict(loss_difference=rows)] * 2) == dict(loss_difference=rows)


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.held = nn.BatchNorm1d(3), nn.Dropout(0.5), nn.BatchNorm1d(3)
        self.held.eval()  # as a frozen stage is

    def forward(self, x):
        return self.drop(self.held(self.norm(x)))


@pytest.mark.parametrize('batch_norm', ['eval', 'train'])
def test_a_steady_model_repeats_itself_and_is_left_as_it_was(batch_norm):
    model, x = Toy(), torch.randn(8, 3) + 2
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    with steady(model, batch_norm):
        assert torch.equal(model(x), model(x))
        centred = model(x).mean(0).abs().max() < 1e-4
        assert centred == (batch_norm == 'train')
        torch.rand(3)
    assert (
        model.training and model.norm.training and model.drop.training and not model.held.training
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ValueError, match="batch_norm='on'"), steady(model, 'on'):
        pass


class Noisy(torch.utils.data.Dataset):
    """Ten samples of each of four classes, in order, with noise."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return torch.tensor([index, torch.rand(()).item()])


def test_training_batches_are_the_same_at_every_call_and_of_all_classes():
    loader = DataLoader(Noisy(), batch_size=16)
    first = training_batches(loader, 2)
    torch.rand(5)
    assert [torch.equal(a, b) for a, b in zip(first, training_batches(loader, 2), strict=True)] == [
        True,
        True,
    ]
    assert not torch.equal(first[0], training_batches(loader, 1, seed=1)[0])
    for batch in first:
        assert len(set((batch[:, 0] // 10).tolist())) == 4
    whole = training_batches(loader, 9)
    assert [len(batch) for batch in whole] == [16, 16, 8]
    assert sorted(torch.cat(whole)[:, 0].tolist()) == list(range(40))
