"""Training and gradient flags and buffers survive what happens in between."""

import pytest
import torch
from torch import nn

from mmrobustprune.flags import drop_nothing, flags_restored, frozen_buffers


def test_every_flag_is_as_before_even_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].eval()
    model[0].bias.requires_grad_(False)
    with pytest.raises(KeyError), flags_restored(model):
        model.eval()
        model[1].train()
        model.requires_grad_(False)
        model[0].bias.requires_grad_(True)
        raise KeyError
    assert [module.training for module in model.modules()] == [True, True, False]
    assert [p.requires_grad for p in model.parameters()] == [True, False, True, True]


class Buffered(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm1d(2, momentum=None)
        self.register_buffer('queue', torch.zeros(3))
        self.register_buffer('absent', None)

    def forward(self, x):
        self.queue = self.queue + 1  # assigned, not changed in place
        return self.bn(x)


def test_buffers_come_back_whether_changed_in_place_or_replaced():
    model = Buffered()
    before = {name: b.clone() for name, b in model.named_buffers()}
    objects = {name: id(b) for name, b in model.named_buffers()}
    with frozen_buffers(model):
        model(torch.randn(4, 2))
        assert model.queue[0] == 1 and model.bn.num_batches_tracked == 1
    assert all(torch.equal(b, before[name]) for name, b in model.named_buffers())
    assert {name: id(b) for name, b in model.named_buffers()} == objects


class DropPath(nn.Module):
    """Stochastic depth under the name that both projects give it."""


def test_what_drops_is_off_and_nothing_else():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), DropPath())
    drop_nothing(model.train())
    assert [layer.training for layer in model] == [True, False, False]
