"""Weights and buffers come back."""

import torch
from torch import nn

from mmrobustprune.sharpness.guards import frozen_buffers, moved


def test_weights_come_back_bit_by_bit_in_their_own_storage():
    weights = [torch.randn(50), torch.randn(3, 4).t()]
    before, places = [w.clone() for w in weights], [w.data_ptr() for w in weights]
    offsets = [torch.randn(50) * 1e-3, torch.randn(4, 3)]
    expected = [w + e for w, e in zip(weights, offsets, strict=True)]
    with moved(weights, offsets):
        assert all(torch.equal(w, e) for w, e in zip(weights, expected, strict=True))
        assert offsets == []
    assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))
    assert [w.data_ptr() for w in weights] == places


def test_nothing_to_move():
    with moved([], []):
        pass


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
